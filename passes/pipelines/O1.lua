-- -O1: of the rewrites those that are exact: no formula is replaced by one that rounds elsewhere.
return {
  purpose = "exact rewrites only, and code in which little was looked for",
  "count-turns", "stack-turns",
  "legalise", "fold-constants", "simplify-exact", "share", "remove-dead",
  code = "1",
}
