-- -O0: only the passes that compiling needs, and the fastest code generation. The graph stays as close to the model as possible.
return {
  purpose = "only the passes that compiling needs, and the fastest code generation",
  "legalise", "remove-dead",
  code = "0",
}
