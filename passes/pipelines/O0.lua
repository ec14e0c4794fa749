-- -O0: only the passes that compiling needs, and the fastest code generation. The graph stays as close to the model as possible.
-- `integers` runs at every level, so that all levels compute the same sums of quantized products.
return {
  purpose = "only the passes that compiling needs, quantized products in integers, and the fastest code generation",
  "legalise", "integers", "remove-dead",
  code = "0",
}
