-- is no name of a file
fv.save("../kept.json", {})
