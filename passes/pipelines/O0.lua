-- -O0: what compiling needs, and code that is made quickly. The graph stays as near the model as it can.
return {
  purpose = "what compiling needs, and code that is made quickly",
  "legalise", "remove-dead",
  code = "0",
}
