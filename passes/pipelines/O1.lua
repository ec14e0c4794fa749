-- -O1: exact rewrites only: no formula is replaced by one that rounds elsewhere.
return {
  purpose = "exact rewrites only, and little optimization of code",
  "count-turns", "stack-turns",
  "legalise", "fold-constants", "simplify-exact", "share", "remove-dead",
  code = "1",
}
