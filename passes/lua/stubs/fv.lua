---@meta
-- The types of the module fv that scripts use (docs/lua.md), for editors. Lists count from 1, axes from 0.

---@class fv
---@field version string
fv = {}

---@alias fv.passes (string|fv.pass|fv.passes)[]
---@alias fv.pipeline_table {[integer]: string|fv.pass|fv.passes, steps: string[]?, code: string?, purpose: string?}
---@alias fv.schedule_wish {match: string?, form: string?, name: string, params: table<string, integer|boolean>?, layout: string?}
---@alias fv.layout_axes {name: string, extent: integer}[]
---@alias fv.layout_levels {axis: string, divisor: integer, modulus: integer?, stride: integer, count: integer}[]
---@alias fv.layout_table {value: string?, text: string, axes: fv.layout_axes, levels: fv.layout_levels, bits: integer, bytes: integer, companions: {name: string, axes: fv.layout_axes, levels: fv.layout_levels, bits: integer, bytes: integer}[]}
---@alias fv.form_table {value: string, kind: string, text: string, each: boolean, rows: string[], columns: string[], over: string[]}
---@alias fv.size integer|fv.dim
---@alias fv.attribute integer|number|string|integer[]|number[]|string[]|fv.tensor|fv.type|fv.size[]|fv.region
---@alias fv.operands fv.value|(fv.value|false)[]
---@alias fv.names integer|(string|false)[]

---@alias fv.dims_of_a_run table<string, integer>
---@alias fv.outputs table<string, fv.tensor>

---Compiles a copy of the module.
---@param module fv.module
---@param options {level: string|integer?, schedule: string?, backend: string?, target: string?, processor: string?, passes: fv.passes?, enable: string[]?, disable: string[]?, dims: table<string, integer|string>?, relax: string[]?, schedules: fv.schedule_wish[]?, kernels: string[]?}?
---@return fv.compiled
function fv.compile(module, options) end

---Compares b with a, output by output; returns a row for each, and whether all agree.
---@param a fv.compiled|fv.outputs
---@param b fv.compiled|fv.outputs
---@param options {inputs: table<string, fv.tensor>?, dims: fv.dims_of_a_run?, seed: integer?, threads: integer?, atol: number?, rtol: number?}?
---@return {name: string, differs: boolean, shape: string?, count: integer?, differing: integer?, absolute: number?, relative: number?, rms: number?, of_range: number?, cosine: number?, ulp: integer?, at: integer?, a: number?, b: number?, nan_in_a: boolean?, nan_in_b: boolean?, inf_in_a: boolean?, inf_in_b: boolean?}[]
---@return boolean
function fv.diff(a, b, options) end

---Declares a handwritten kernel, which replaces the one of its name and must give the same bits; returns the name.
---@param text string
---@return string
function fv.kernel(text) end

---The pipeline of a level: "0" to "3", "s".
---@param level string
---@return fv.pipeline_table
function fv.level(level) end

---Reads the module in a file; in `fovea lua` and `fovea test` only.
---@param path string
---@return fv.module
function fv.load(path) end

---Declares an operator, by a formula or a rule; returns its qualified name.
---@param op {name: string, domain: string, purpose: string?, inputs: (string|{name: string, type: string?, rank: integer?, optional: boolean?})[]?, outputs: string[]?, types: string[]?, attributes: table<string, number>?, formula: string?, rule: string?, check: boolean?}
---@return string
function fv.op(op) end

---Declares options of the script; returns their values.
---@param options table<string, string|number|boolean|{default: string|number|boolean, doc: string?}>
---@return table<string, string|number|boolean>
function fv.options(options) end

---Reads a module from a text of graph IR.
---@param text string
---@return fv.module
function fv.parse(text) end

---Declares a pass.
---@param pass {name: string, purpose: string?, options: table?, run: fun(module: fv.module, pass: fv.pass)}
---@return fv.pass
function fv.pass(pass) end

---Declares the pipeline that --script runs.
---@param pipeline fv.pipeline_table
---@return fv.pipeline_table
function fv.pipeline(pipeline) end

---Gives weights of the module a narrower type; returns the layers with their types.
---@param module fv.module
---@param options {to: "int8"|"int4"|"bf16"|"f16"?, block: integer?, zero_points: boolean?, reduce_range: boolean?, weights_only: boolean?, standard: boolean?, ranges: table<string, number[]>?, skip: string[]?}?
---@return {name: string, op: string, type: string, bits: integer, bytes: integer}[]
function fv.quantize(module, options) end

---Declares a rewrite rule in the notation of the shipped ones; `when` is called after all other conditions hold.
---@param text string
---@param when (fun(captures: table<string, fv.value|fv.attribute>, op: fv.op): boolean?)|{when: function?, check: boolean?}?
---@return fv.rule
function fv.rule(text, when) end

---Declares a pass that applies rules until none matches; `ends` says why that comes to an end.
---@param rules {name: string, purpose: string?, ends: string, [integer]: fv.rule|string}
---@return fv.pass
function fv.rules(rules) end

---Runs a compiled module; inputs that are not given are random.
---@param compiled fv.compiled
---@param inputs table<string, fv.tensor>?
---@param options {dims: fv.dims_of_a_run?, seed: integer?, threads: integer?}?
---@return fv.outputs
function fv.run(compiled, inputs, options) end

---Writes a .json or a .csv into the folder of --output.
---@param name string
---@param data table
---@param columns string[]?
function fv.save(name, data, columns) end

---Requests a schedule for the kernels of a node or value, of a form, or for all that have that schedule.
---@param wish fv.schedule_wish
---@return fv.schedule_wish
function fv.schedule(wish) end

---A new tensor, which belongs to no module; its elements are 0 if none are given.
---@param elem string
---@param dims integer[]?
---@param elements number|boolean|(number|boolean)[]?
---@return fv.tensor
function fv.tensor(elem, dims, elements) end

---A tensor in a .npy or .pb file in a folder of --tensors.
---@param path string
---@return fv.tensor
function fv.tensor_file(path) end

---Declares a test, which `fovea test F.lua` runs: it passes if it raises no error.
---@param name string
---@param run fun()
function fv.test(name, run) end

---Times compiled modules in turns; milliseconds, and ratios to the first.
---@param contenders {inputs: table<string, fv.tensor>?, dims: fv.dims_of_a_run?, seed: integer?, threads: integer?, rounds: integer?, seconds: number?, [integer]: fv.compiled}
---@return {median: number, min: number, q1: number, q3: number, max: number, runs: integer, won: integer, ratio: number}[]
function fv.time(contenders) end

---The instructions of a target, or of all, for single operations.
---@param target string?
---@return {name: string, operation: string, from: string, from_lanes: integer, to: string, to_lanes: integer, feature: string, meaning: string}[]
function fv.instructions(target) end

---A layout as a table.
---@param text string
---@return fv.layout_table
function fv.layout(text) end

---@class fv.module
---@field constants fv.value[]
---@field functions fv.func[]
---@field main fv.func
---@field name string
---@field symbols fv.dim[]
---@field text string
local module = {}

---A tensor of zeros, to be filled.
---@param elem string
---@param dims integer[]?
---@return fv.tensor
function module:buffer(elem, dims) end

---A new constant.
---@param name string
---@param tensor fv.tensor
---@return fv.value
---@overload fun(self, name: string, elem: string, dims: integer[]?, elements: number|boolean|(number|boolean)[]): fv.value
function module:const(name, tensor) end

---A copy of the module.
---@return fv.module
function module:copy() end

---What lowering decides: forms, factors and layouts.
---@param options {target: string?}?
---@return {forms: fv.form_table[], factors: {value: string, text: string}[], layouts: fv.layout_table[]}
function module:lowered(options) end

---@param x integer|string|fv.dim
---@return fv.dim
function module:dim(x) end

---@param name string
---@return fv.value?
function module:find(name) end

---Runs passes.
---@param passes fv.passes
---@return fv.module self
function module:run(passes) end

---Writes graph IR into the folder of --output.
---@param name string
function module:save(name) end

---Raises an error if the module is not legal.
---@return fv.module self
function module:verify() end

---@class fv.func
---@field body fv.region
---@field module fv.module
---@field name string
---@field outputs string[]
---@field params fv.value[]
---@field results fv.value[]
local func = {}

---@param name string?
---@return fun(): fv.op?
function func:ops(name) end

---Iterates over the ops, also over those in regions of ops.
---@param name string?
---@return fun(): fv.op?
function func:walk(name) end

---@class fv.region
---@field func fv.func
---@field params fv.value[]
---@field parent fv.op?
---@field results fv.value[]
local region = {}

---Builds an op at the end of the region.
---@param name string
---@param inputs fv.operands
---@param attrs table<string, fv.attribute>?
---@param results fv.names?
---@return fv.value ...
function region:build(name, inputs, attrs, results) end

---Makes the value result i of the region.
---@param i integer
---@param value fv.value
function region:give(i, value) end

---@param name string?
---@return fun(): fv.op?
function region:ops(name) end

---Iterates over the ops, also over those in regions of ops.
---@param name string?
---@return fun(): fv.op?
function region:walk(name) end

---@class fv.op
---@field alive boolean
---@field attrs table<string, fv.attribute>
---@field inputs (fv.value|false)[]
---@field name string
---@field next fv.op?
---@field origin string[]
---@field output fv.value
---@field outputs (fv.value|false)[]
---@field prev fv.op?
---@field region fv.region
---@field regions fv.region[]
local op = {}

---Builds an op after this one.
---@param name string
---@param inputs fv.operands
---@param attrs table<string, fv.attribute>?
---@param results fv.names?
---@return fv.value ...
function op:after(name, inputs, attrs, results) end

---The value of an attribute, or its default.
---@param name string
---@return fv.attribute?
function op:attr(name) end

---Builds an op before this one.
---@param name string
---@param inputs fv.operands
---@param attrs table<string, fv.attribute>?
---@param results fv.names?
---@return fv.value ...
function op:before(name, inputs, attrs, results) end

---Erases the op, whose results nothing may use.
function op:erase() end

---@param other fv.op
---@return fv.op self
function op:move_before(other) end

---Replaces the results by these values, and erases the op.
---@param ... fv.value
function op:replace(...) end

---Sets an attribute; nil removes it.
---@param name string
---@param value fv.attribute?
---@return fv.op self
function op:set(name, value) end

---@param i integer
---@param value fv.value|false
---@return fv.op self
function op:set_input(i, value) end

---@class fv.value
---@field alive boolean
---@field elems fv.dim[]?
---@field index integer?
---@field kind "param"|"result"|"const"
---@field name string
---@field op fv.op?
---@field tensor fv.tensor?
---@field type fv.type
---@field uses {op: fv.op, index: integer}[]
local value = {}

---@param name string
---@return fv.value self
function value:rename(name) end

---Replaces the value by another one in all its uses.
---@param other fv.value
function value:replace(other) end

---@class fv.type
---@field dims fv.dim[]?
---@field elem string?
---@field kind "tensor"|"sequence"|"optional"|"map"
---@field of fv.type?
---@field rank integer?
local type = {}

---@param axis integer from 0, or from -1 backwards
---@return fv.dim
function type:dim(axis) end

---@class fv.dim
---@field least integer
---@field most integer
---@field name string?
---@field value integer?
---@operator add(fv.size): fv.dim
---@operator sub(fv.size): fv.dim
---@operator mul(fv.size): fv.dim
---@operator idiv(fv.size): fv.dim
---@operator mod(fv.size): fv.dim
local dim = {}

---@param other fv.size
---@return fv.dim
function dim:ceildiv(other) end

---@param other fv.size
---@return "equal"|"different"|"unknown"
function dim:compare(other) end

---@param other fv.size
---@return fv.dim
function dim:max(other) end

---@param other fv.size
---@return fv.dim
function dim:min(other) end

---@class fv.tensor
---@field bytes integer
---@field count integer
---@field dims integer[]
---@field elem string
---@field [integer] number|boolean|string
---@operator len: integer
local tensor = {}

---@return (number|boolean|string)[]
function tensor:list() end

---@class fv.pass
---@field name string
---@field options table<string, string|number|boolean>
---@field purpose string
local pass = {}

---Counts what the pass did, once or n times, for its report.
---@param what string
---@param n integer?
function pass:count(what, n) end

---@class fv.rule
---@field name string
---@field text string
local rule = {}

---Applies the rule to the op; returns whether it matched.
---@param op fv.op
---@return boolean
function rule:apply(op) end

---The reason why the rule does not match the op; nil: it matches.
---@param op fv.op
---@return string?
function rule:explain(op) end

---@class fv.compiled
---@field inputs {name: string, elem: string, dims: (integer|string)[]}[]
---@field outputs {name: string, elem: string, dims: (integer|string)[]}[]
local compiled = {}

---Frees the compiled module now.
function compiled:close() end

---The costs of the module and of its launches by the cost model.
---@param how {dims: fv.dims_of_a_run?, inputs: table<string, fv.tensor>?}?
---@return {known: boolean, operations: number, bytes: number, traffic: number, memory: number, cycles: number, launches: {kernel: string, origin: string, schedule: string, known: boolean, operations: number, bytes: number, cycles: number}[]}
function compiled:cost(how) end

---The measured time of each launch in milliseconds, the slowest first.
---@param how {dims: fv.dims_of_a_run?, inputs: table<string, fv.tensor>?, seed: integer?, threads: integer?}?
---@return {runs: integer, median: number, launches: {kernel: string, origin: string, schedule: string, calls: number, median: number, min: number, predicted: number?}[]}
function compiled:profile(how) end
