// cpp.cpp - fovea.hpp: ownership, views, statuses and messages. Usage: cpp FOLDER, where it writes
// a model.
#include <fovea.hpp>

#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>

static int passed, failed;

static void is(bool well, const char *what) {
    ++(well ? passed : failed);
    if (!well)
        std::printf("FAILED %s\n", what);
}

// Whether f throws an error with this status, in whose messages the text occurs.
template <class F> static bool throws(int status, const char *text, F &&f) {
    try {
        f();
    } catch (const fovea::error &e) {
        const bool fits = e.status() == status && std::strstr(e.what(), text);
        if (!fits)
            std::printf("%s: %s\n", fv_status_name(e.status()), e.what());
        return fits;
    }
    return false;
}

static fovea::artifact compiled(const std::string &path, const std::vector<std::string> &states) {
    fovea::compile_options o;
    o.backend = FV_BACKEND_INTERP;
    o.states = states;
    return fovea::artifact::compile(path, o);
}

static void test_views() {
    std::vector<float> v(6);
    std::array<std::int64_t, 2> a = {1, 2};
    const double c[2] = {1, 2};
    const fovea::view of_vector(v, {2, 3}), of_array(a), of_pointer(c, {2});
    is(of_vector.type == FV_TYPE_FLOAT && of_vector.rank == 2 && of_vector.count() == 6,
       "a view of a vector");
    is(of_array.type == FV_TYPE_INT64 && of_array.dims[0] == 2 && of_array.data == a.data(),
       "a view of an array");
    is(of_pointer.type == FV_TYPE_DOUBLE && of_pointer.data == c && !of_pointer.owner,
       "a view of a pointer");
    float grid[2][3] = {{1, 2, 3}, {4, 5, 6}};
    const std::int64_t row[] = {7};
    const fovea::view of_grid(grid), of_row(row);
    is(of_grid.rank == 2 && of_grid.dims[0] == 2 && of_grid.dims[1] == 3 && of_grid.data == grid &&
           of_grid.type == FV_TYPE_FLOAT && of_row.rank == 1 && of_row.dims[0] == 1 &&
           of_row.type == FV_TYPE_INT64,
       "a view of an array has its shape");
    is(fovea::view(v, {7}).rank == -1, "a view of more elements than a vector has");
    is(fovea::view(c, {0, 5}).count() == 0, "a view of no elements");
    is(fovea::view(c, {}).count() == 1, "a view of a number");
    const std::int64_t most = std::numeric_limits<std::int64_t>::max();
    is(fovea::view(c, {most, 3}).count() == SIZE_MAX && fovea::view(c, {-1}).count() == SIZE_MAX,
       "a view of no size");
    is(fovea::view(c, std::vector<std::int64_t>(FV_ARRAY_RANK + 1)).rank == -1,
       "a view of too many dims");
    is(fovea::type_of<char> == fovea::type_of<signed char> || fovea::type_of<char> == FV_TYPE_UINT8,
       "the type of char");
    is(fovea::type_of<long> == fovea::type_of<long long>, "the type of long");
}

static void test_runs(const std::string &path) {
    const fovea::artifact model = compiled(path, {});
    float x[] = {1, 2, 3};
    const fovea::view past(x, {2});
    std::vector<fovea::tensor> out = model.run({fovea::view(x, {1}), past});
    is(out.size() == 2 && out[0].values<float>()[0] == 4 && out[1].values<float>().size() == 3,
       "a run");
    is(out[1].try_values<double>().empty() && !out[1].try_values<float>().empty(),
       "values of another type");
    is(throws(FV_BAD_ARGUMENT, "another type", [&] { out[1].values<int>(); }),
       "values of another type throw");
    fovea::tensor moved = std::move(out[1]), other = std::move(out[0]);
    is(!out[1].data && moved.shape()[0] == 3, "a tensor is moved");
    other = std::move(moved);
    is(!moved.data && other.shape()[0] == 3, "a tensor is moved to another one");
    is(throws(FV_BAD_ARGUMENT, "the model has 2 inputs and 2 outputs, is given 1 and 2",
              [&] { model.run({past}); }),
       "too few inputs");
    fovea::tensor one[1];
    is(model.try_run({past, past}, one) == FV_BAD_ARGUMENT, "too few outputs");
    is(throws(FV_BAD_DIM, "'x' is f32[2], expected 1 on axis 0", [&] { model.run({past, past}); }),
       "messages of a run");
    is(throws(FV_BAD_FILE, "none.fvir", [] { fovea::artifact::compile("none.fvir"); }),
       "messages of the compiler");
    for (const char *preference : {"ram", "rma"}) {
        fovea::compile_options o;
        o.backend = FV_BACKEND_INTERP;
        o.prefer = preference;
        const auto compile = [&] { fovea::artifact::compile(path, o); };
        is(throws(FV_BAD_ARGUMENT, "'rma'", compile) == (o.prefer == "rma"), "a preference");
    }
    is(throws(FV_BAD_ARGUMENT, "there is no artifact", [] { fovea::artifact().run({}); }),
       "no artifact");
    fovea::artifact from = compiled(path, {}), to = std::move(from);
    is(!from && to && to.find_input("past") == 1 && to.find_output("none") == -1,
       "an artifact is moved");
    to = fovea::artifact();
    is(!to, "an artifact is replaced");
    float room[3];
    fovea::tensor given[2];
    given[1] = fovea::tensor(fovea::view(room, {3}));
    model.run({fovea::view(x, {1}), past}, given);
    is(given[1].data == room && room[2] == 1, "a buffer of the caller");
}

static void test_states(const std::string &path) {
    const fovea::artifact model = compiled(path, {"past=present:4"});
    fovea::states s(model), t(model);
    fovea::tensor out[2];
    float x = 1;
    for (int i = 0; i < 4; i++)
        s.run({fovea::view(&x, {1}), fovea::view()}, out);
    is(out[1].dims[0] == 4 && !out[1].owner && out[0].values<float>()[0] == 4, "states are kept");
    is(throws(FV_BAD_ARGUMENT, "a capacity", [&] { out[1].values<float>(); }),
       "a tensor with a capacity");
    fovea::log l;
    is(throws(FV_TOO_SMALL, "capacity 4 on axis 0, output 'present' needs 5",
              [&] { s.run({fovea::view(&x, {1}), fovea::view()}, out, nullptr, &l); }),
       "messages of states");
    is(t.value(1).dims[0] == 0, "other states");
    t.set(1, s.value(1));
    s.clear();
    is(t.value(1).dims[0] == 4 && s.value(1).dims[0] == 0, "states are set and cleared");
    is(throws(FV_BAD_ARGUMENT, "", [&] { s.value(0); }), "no state");
    fovea::states moved = std::move(t), none;
    is(!t && t.try_run({}, {}) == FV_BAD_ARGUMENT && moved.value(1).dims[0] == 4,
       "states are moved");
    is(throws(FV_BAD_ARGUMENT, "'q=1' names no dim", [&] { fovea::states(model, {"q=1"}); }),
       "dims of states");
}

static void test_adapters(const std::string &path) {
    const fovea::artifact model = compiled(path, {});
    std::vector<fovea::view> in(model.inputs().size());
    fovea::adapter none;
    const char *name = nullptr;
    fovea::view value;
    is(none.size() == 0 && none.try_get(0, name, value) == FV_BAD_ARGUMENT &&
           none.try_apply(model, in) == FV_BAD_ARGUMENT,
       "no adapter");
    is(throws(FV_BAD_FILE, "no adapter", [&] { fovea::adapter a(path); }),
       "a file that is no adapter");
    is(throws(FV_BAD_ARGUMENT, "NULL", [&] { none.apply(model, in); }), "an empty adapter");
}

static void test_messages(const std::string &path) {
    const std::int64_t two = 2;
    int heard = 0;
    auto count = [&](int severity, const char *) { heard += severity == FV_LOG_ERROR; };
    fovea::log l;
    fovea::artifact a;
    l.watch(count);
    is(a.try_load(path, &l) == FV_BAD_FILE && !a && heard == 1 && *l.text(),
       "a log passes messages on");
    l.clear();
    is(!*l.text(), "a log is cleared");
    is(fovea::unpack(fovea::pack({"a", "", "bc"}).text, fovea::pack({"a", "", "bc"}).ends)[2] ==
           "bc",
       "strings");
    is(throws(FV_BAD_DIM, "", [] { fovea::pack({"a"}, {2}); }), "strings of another shape");
    is(throws(FV_BAD_ARGUMENT, "", [] { fovea::pack({std::string("a\0b", 3)}); }),
       "strings with a zero byte");
    fovea::string_tensors packed = fovea::pack({"a"});
    is(fovea::try_pack({"b", "c"}, {}, packed) == FV_OK &&
           fovea::unpack(packed.text, packed.ends).size() == 2 &&
           fovea::try_pack({"a"}, fovea::span<const std::int64_t>(&two, 1), packed) != FV_OK &&
           fovea::unpack(packed.text, packed.ends).size() == 2,
       "packed strings are replaced, or stay");
    const std::vector<float> some = {1, 2, 3};
    const fovea::view list[] = {fovea::view(some), fovea::view(some, {1, 2})};
    fovea::sequence_tensors all = fovea::pack_sequence(list, FV_TYPE_FLOAT);
    const std::vector<fovea::view> back = fovea::unpack_sequence(all.data, all.shapes);
    is(back.size() == 2 && back[0].dims[0] == 3 && back[1].rank == 2 &&
           static_cast<const float *>(back[1].data)[1] == 2,
       "a sequence");
    is(fovea::unpack_sequence(fovea::pack_sequence({}, FV_TYPE_FLOAT).data,
                              fovea::pack_sequence({}, FV_TYPE_FLOAT).shapes)
           .empty(),
       "a sequence of no tensors");
    is(throws(FV_BAD_ARGUMENT, "tensor 0 is f32[3]",
              [&] { fovea::pack_sequence(list, FV_TYPE_INT64); }),
       "a sequence of another type");
    is(fovea::try_pack_sequence(list, FV_TYPE_INT64, all) == FV_BAD_ARGUMENT &&
           all.data.dims[0] == 5,
       "a packed sequence stays");
    const std::vector<std::int64_t> classes = {3, 7, 5};
    const fovea::map_view maps[] = {
        {fovea::view(classes.data(), {2}), fovea::view(some.data(), {2})},
        {fovea::view(classes.data() + 2, {1}), fovea::view(some.data() + 2, {1})}};
    fovea::map_tensors vectors = fovea::pack_maps(maps, FV_TYPE_INT64, FV_TYPE_FLOAT);
    std::vector<fovea::map_view> read =
        fovea::unpack_maps(vectors.keys, vectors.values, vectors.ends);
    is(read.size() == 2 && read[0].keys.dims[0] == 2 && read[1].values.dims[0] == 1 &&
           static_cast<const std::int64_t *>(read[1].keys.data)[0] == 5 &&
           static_cast<const float *>(read[1].values.data)[0] == 3,
       "maps");
    is(fovea::unpack_maps(fovea::view(), vectors.values, vectors.ends)[0].keys.dims[0] == 2,
       "maps of strings have lengths");
    const fovea::map_view named = {fovea::view(FV_TYPE_STRING, nullptr, {3}), fovea::view(some)};
    fovea::map_tensors named_vectors =
        fovea::pack_maps(fovea::span<const fovea::map_view>(&named, 1), FV_TYPE_STRING,
                         FV_TYPE_FLOAT);
    is(named_vectors.keys.type == 0 && named_vectors.values.dims[0] == 3 &&
           named_vectors.ends.values<std::int64_t>()[0] == 3,
       "maps of strings");
    is(fovea::unpack_maps(fovea::pack_maps({}, FV_TYPE_INT64, FV_TYPE_FLOAT).keys, fovea::view(),
                          fovea::pack_maps({}, FV_TYPE_INT64, FV_TYPE_FLOAT).ends)
           .empty(),
       "no maps");
    is(throws(FV_BAD_ARGUMENT, "the keys of map 0 are i64[2]",
              [&] { fovea::pack_maps(maps, FV_TYPE_FLOAT, FV_TYPE_FLOAT); }),
       "maps of another type");
    is(throws(FV_BAD_DIM, "",
              [&] {
                  fovea::unpack_maps(vectors.keys, vectors.values,
                                     fovea::view(vectors.ends.values<std::int64_t>().data(), {1}));
              }),
       "ends that are not those of the vectors");
    is(fovea::try_unpack_maps(vectors.keys, vectors.values, fovea::view(), read) != FV_OK &&
           read.size() == 2,
       "maps that were read stay");
    fovea::pool p(2), q = std::move(p);
    is(!p && q && q.size() >= 1, "a pool is moved");
}

int main(int, char **argv) {
    const std::string path = std::string(argv[1]) + "/kept.fvir";
    std::ofstream(path)
        << "fovea-ir 1\nmodule \"kept\"\nsymbol p 0..64\n"
           "func @main(%x: f32[1], %past: f32[p]) -> (%sum, %present) {\n"
           "  %present = Concat(%past, %x) {axis = 0}\n"
           "  %sum = ReduceSum(%present) {keepdims = 0}\n  return %sum, %present\n}\n";
    test_views();
    test_runs(path);
    test_states(path);
    test_adapters(path);
    test_messages(path);
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
