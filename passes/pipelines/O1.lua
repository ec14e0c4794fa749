-- -O1: exact rewrites only: no formula is replaced by one that rounds elsewhere. The order of a sum may follow from what is folded.
return {
  purpose = "exact rewrites only, and little optimization of code",
  "count-turns", "stack-turns",
  "legalise", "integers", "fold-constants", "simplify-exact", "share", "remove-dead",
  code = "1",
}
