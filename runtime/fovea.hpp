// fovea.hpp - fovea.h for C++17: handles that free themselves, views of the caller's memory, and
// exceptions. It is only a header; programs link the libraries of fovea.h.
//
// Each call has two forms. `try_load` returns a status of fovea_model.h; `load` throws
// fovea::error. Functions that say that they allocate may throw std::bad_alloc as well, in both
// forms. With -fno-exceptions only the former are declared.
//
//   fovea::artifact model = fovea::artifact::compile("model.onnx");
//   std::vector<float> x(4 * 768);
//   std::vector<fovea::tensor> out = model.run({fovea::view(x, {4, 768})});
//   for (float y : out[0].values<float>()) ...
//
// A function that allocates memory besides what its function of fovea.h allocates says so.
#ifndef FOVEA_HPP
#define FOVEA_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fovea.h"

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define FOVEA_EXCEPTIONS 1
#include <stdexcept>
#endif

namespace fovea {

// ---- parts that the others use ----

// Consecutive elements in the memory of others, such as those of a std::vector.
template <class T> class span {
  public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N> constexpr span(T (&a)[N]) noexcept : data_(a), size_(N) {}
    // A container with data() and size().
    template <class C, class = std::enable_if_t<
                           std::is_convertible_v<decltype(std::declval<C &>().data()), T *>>>
    constexpr span(C &&c) noexcept : data_(c.data()), size_(c.size()) {}
    // A list in braces, which lives until the end of the statement.
    template <class U = T, class = std::enable_if_t<std::is_const_v<U>>>
    constexpr span(std::initializer_list<std::remove_const_t<T>> list) noexcept {
        data_ = list.begin();
        size_ = list.size();
    }

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }

  private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

// An argument that is a text with a zero byte at its end; nullptr where the function allows NULL.
class text {
  public:
    constexpr text(const char *s) noexcept : s_(s) {}
    text(const std::string &s) noexcept : s_(s.c_str()) {}
    constexpr operator const char *() const noexcept { return s_; }

  private:
    const char *s_;
};

namespace detail {

// Owns an object of fovea.h.
template <class T, void (*Free)(T *)> class handle {
  public:
    handle() noexcept = default;
    explicit handle(T *p) noexcept : p_(p) {}
    handle(handle &&other) noexcept : p_(other.release()) {}
    handle &operator=(handle &&other) noexcept {
        reset(other.release());
        return *this;
    }
    ~handle() { Free(p_); }

    T *get() const noexcept { return p_; }
    explicit operator bool() const noexcept { return p_ != nullptr; }
    // Gives the object to the caller, who frees it.
    T *release() noexcept { return std::exchange(p_, nullptr); }
    void reset(T *p = nullptr) noexcept { Free(std::exchange(p_, p)); }

  private:
    T *p_ = nullptr;
};

template <class T> constexpr std::int32_t type_of() noexcept {
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, bool>)
        return FV_TYPE_BOOL;
    else if constexpr (std::is_same_v<U, float>)
        return FV_TYPE_FLOAT;
    else if constexpr (std::is_same_v<U, double>)
        return FV_TYPE_DOUBLE;
    else if constexpr (std::is_integral_v<U> && sizeof(U) == 1)
        return std::is_signed_v<U> ? FV_TYPE_INT8 : FV_TYPE_UINT8;
    else if constexpr (std::is_integral_v<U> && sizeof(U) == 2)
        return std::is_signed_v<U> ? FV_TYPE_INT16 : FV_TYPE_UINT16;
    else if constexpr (std::is_integral_v<U> && sizeof(U) == 4)
        return std::is_signed_v<U> ? FV_TYPE_INT32 : FV_TYPE_UINT32;
    else if constexpr (std::is_integral_v<U> && sizeof(U) == 8)
        return std::is_signed_v<U> ? FV_TYPE_INT64 : FV_TYPE_UINT64;
    else
        return 0;
}

} // namespace detail

// The FV_TYPE_ of a C++ type. For others, such as half precision, a view is given the number.
template <class T> inline constexpr std::int32_t type_of = detail::type_of<T>();

// ---- messages ----

// Collects the messages of calls: fv_log. One call at a time may use it.
class log : public detail::handle<fv_log, fv_log_free> {
  public:
    log() noexcept : handle(fv_log_new()) {} // no memory: empty, so that nothing is collected
    const char *text() const noexcept { return fv_log_text(get()); }
    void clear() noexcept { fv_log_clear(get()); }
    // Has each message passed on to f(severity, text), which must not throw. f must live as long as
    // the log.
    template <class F> void watch(F &f) noexcept {
        fv_log_watch(
            get(),
            [](void *user, int severity, const char *line) noexcept {
                (*static_cast<F *>(user))(severity, line);
            },
            &f);
    }
};

inline fv_log *get(const log *l) noexcept {
    return l ? l->get() : nullptr;
}

#ifdef FOVEA_EXCEPTIONS
// A status other than FV_OK. what() has the messages of the call, or the meaning of the status.
class error : public std::runtime_error {
  public:
    error(int status, const std::string &messages)
        : std::runtime_error(messages.empty() ? std::string(fv_status_name(status)) + ": " +
                                                    fv_status_text(status)
                                              : messages),
          status_(status) {}
    int status() const noexcept { return status_; }

  private:
    int status_;
};

// Throws if the status is not FV_OK.
inline void check(int status, const log *l = nullptr) {
    if (status != FV_OK)
        throw error(status, fv_log_text(fovea::get(l)));
}
#endif

// ---- tensors ----

// A tensor in the memory of others, which must live as long as the view is used.
struct view : fv_array {
    // No tensor: a state that fovea::states keeps.
    view() noexcept : fv_array() {}
    // The same tensor without its owner; of a fovea::tensor, too.
    view(const fv_array &a) noexcept : fv_array(a) { owner = nullptr; }
    // Data of any type. More dims than FV_ARRAY_RANK give a rank that every run refuses.
    view(std::int32_t of_type, const void *p, span<const std::int64_t> shape) noexcept
        : fv_array() {
        type = of_type;
        rank = shape.size() <= FV_ARRAY_RANK ? static_cast<std::int32_t>(shape.size()) : -1;
        for (std::int32_t k = 0; k < rank; k++)
            dims[k] = shape[static_cast<std::size_t>(k)];
        data = const_cast<void *>(p); // a run writes only to outputs and states
    }
    template <class T>
    view(const T *p, span<const std::int64_t> shape) noexcept : view(known<T>(), p, shape) {}
    // The elements of a container, such as std::vector, with a shape; if it needs more elements
    // than there are, every run refuses the view.
    template <class C, class T = std::remove_pointer_t<decltype(std::declval<C &>().data())>>
    view(C &c, span<const std::int64_t> shape) noexcept : view(c.data(), shape) {
        if (count() > c.size())
            rank = -1;
    }
    // A vector of all elements of a container.
    template <class C, class T = std::remove_pointer_t<decltype(std::declval<C &>().data())>>
    explicit view(C &c) noexcept : view(c.data(), {static_cast<std::int64_t>(c.size())}) {}
    // An array with its own shape, such as float[2][3].
    template <class A, std::enable_if_t<std::is_array_v<A>, int> = 0>
    explicit view(A &a) noexcept
        : view(reinterpret_cast<const std::remove_all_extents_t<A> *>(&a),
               span<const std::int64_t>()) {
        static_assert(std::rank_v<A> <= FV_ARRAY_RANK, "an fv_array has fewer axes");
        add_axes<A>();
    }

    // The number of elements; SIZE_MAX if that overflows, or a dim is negative.
    std::size_t count() const noexcept {
        std::size_t n = 1;
        bool is_empty = false;
        for (std::int32_t k = 0; k < rank; k++) {
            if (dims[k] < 0)
                return SIZE_MAX;
            is_empty = is_empty || dims[k] == 0;
        }
        for (std::int32_t k = 0; k < rank && !is_empty; k++) {
            if (n > SIZE_MAX / static_cast<std::size_t>(dims[k]))
                return SIZE_MAX;
            n *= static_cast<std::size_t>(dims[k]);
        }
        return is_empty ? 0 : n;
    }
    span<const std::int64_t> shape() const noexcept {
        return {dims, rank > 0 ? static_cast<std::size_t>(rank) : 0};
    }

  private:
    template <class A> void add_axes() noexcept {
        if constexpr (std::is_array_v<A>) {
            dims[rank++] = static_cast<std::int64_t>(std::extent_v<A>);
            add_axes<std::remove_extent_t<A>>();
        }
    }
    template <class T> static constexpr std::int32_t known() noexcept {
        static_assert(type_of<T> != 0,
                      "a view of this type needs the number of the type, FV_TYPE_");
        return type_of<T>;
    }
};

// A tensor that owns its memory, or refers to that of others as a view does. Can only be moved.
class tensor : public fv_array {
  public:
    tensor() noexcept : fv_array() {}                        // as an output: the run allocates it
    explicit tensor(const view &v) noexcept : fv_array(v) {} // as an output: the run writes to it
    tensor(tensor &&other) noexcept : fv_array(other) { other.forget(); }
    tensor &operator=(tensor &&other) noexcept {
        if (this != &other) {
            fv_array_free(this);
            static_cast<fv_array &>(*this) = other;
            other.forget();
        }
        return *this;
    }
    ~tensor() { fv_array_free(this); }

    span<const std::int64_t> shape() const noexcept {
        return {dims, rank > 0 ? static_cast<std::size_t>(rank) : 0};
    }
    // The elements; none if they have another type, or are not next to each other because the
    // tensor has a capacity.
    template <class T> span<T> try_values() const noexcept {
        std::size_t n = view(*this).count();
        bool fits = type == type_of<T> && capacity == 0 && n != SIZE_MAX;
        return fits ? span<T>(static_cast<T *>(fv_array::data), n) : span<T>();
    }
#ifdef FOVEA_EXCEPTIONS
    template <class T> span<T> values() const {
        if (type != type_of<T> || capacity != 0)
            throw error(FV_BAD_ARGUMENT, capacity != 0
                                             ? "a tensor with a capacity is not dense"
                                             : "a tensor has another type than asked for");
        return try_values<T>();
    }
#endif

  private:
    void forget() noexcept { static_cast<fv_array &>(*this) = fv_array(); }
};

static_assert(sizeof(view) == sizeof(fv_array) && sizeof(tensor) == sizeof(fv_array),
              "lists of them are lists of fv_array");

// ---- threads ----

// Threads that runs share: fv_pool. Empty if there is no memory.
class pool : public detail::handle<fv_pool, fv_pool_free> {
  public:
    pool() noexcept = default;
    explicit pool(int threads) noexcept : handle(fv_pool_new(threads)) {}
    int size() const noexcept { return fv_pool_size(get()); }
};

// Options of a run, all of which are defaults at first.
struct run_options : fv_run_options {
    run_options() noexcept : fv_run_options() { size = sizeof(fv_run_options); }
};

// ---- artifacts ----

// fv_compile_options with strings; those that are empty mean the default.
struct compile_options {
    std::string target, name, weights, tuning, relax, prefer;
    std::vector<std::string> dims, states, enable, disable;
    std::optional<std::vector<std::string>> passes;
    char level = 0;
    fv_backend_kind backend = FV_BACKEND_JIT;
    bool naive = false, verify = false, strict = false, no_header = false;
};

namespace detail {

// The options for C; they point into those from which they were made. Allocates the lists.
class c_options {
  public:
    explicit c_options(const compile_options &o) {
        lists_.reserve(5);
        c_.size = sizeof c_;
        c_.target = text_or_null(o.target);
        c_.name = text_or_null(o.name);
        c_.weights = text_or_null(o.weights);
        c_.tuning = text_or_null(o.tuning);
        c_.relax = text_or_null(o.relax);
        c_.prefer = text_or_null(o.prefer);
        c_.dims = list(o.dims);
        c_.states = list(o.states);
        c_.enable = list(o.enable);
        c_.disable = list(o.disable);
        c_.passes = o.passes ? list(*o.passes) : nullptr;
        c_.level = o.level;
        c_.backend = o.backend;
        c_.naive = o.naive;
        c_.verify = o.verify;
        c_.strict = o.strict;
        c_.no_header = o.no_header;
    }
    const fv_compile_options *get() const noexcept { return &c_; }

  private:
    static const char *text_or_null(const std::string &s) noexcept {
        return s.empty() ? nullptr : s.c_str();
    }
    const char *const *list(const std::vector<std::string> &from) {
        std::vector<const char *> &to = lists_.emplace_back();
        for (const std::string &s : from)
            to.push_back(s.c_str());
        to.push_back(nullptr);
        return to.data();
    }

    fv_compile_options c_ = fv_compile_options();
    std::vector<std::vector<const char *>> lists_;
};

} // namespace detail

// A model that can run: fv_artifact. Any number of threads may run it at the same time.
class artifact : public detail::handle<fv_artifact, fv_artifact_free> {
  public:
    artifact() noexcept = default;
    explicit artifact(fv_artifact *a) noexcept : handle(a) {}

    // The calls of fovea.h that make an artifact. They replace *this, also by nothing after a
    // failure. Those with options allocate lists of them.
    FV_ANSWER int try_load(text path, log *l = nullptr) noexcept {
        fv_artifact *a = nullptr;
        int status = fv_load(path, fovea::get(l), &a);
        return take(status, a);
    }
    FV_ANSWER int try_compile(text path, const compile_options &o = {}, log *l = nullptr) {
        fv_artifact *a = nullptr;
        int status = fv_compile(path, detail::c_options(o).get(), fovea::get(l), &a);
        return take(status, a);
    }
    // The bytes must live as long as the artifact.
    FV_ANSWER int try_compile_bytes(span<const char> bytes, text name, text folder = nullptr,
                                    const compile_options &o = {}, log *l = nullptr) {
        fv_artifact *a = nullptr;
        int status = fv_compile_bytes(bytes.data(), bytes.size(), name, folder,
                                      detail::c_options(o).get(), fovea::get(l), &a);
        return take(status, a);
    }
    FV_ANSWER int try_compile_decoder(text path, const compile_options &o = {}, log *l = nullptr) {
        fv_artifact *a = nullptr;
        int status = fv_compile_decoder(path, detail::c_options(o).get(), fovea::get(l), &a);
        return take(status, a);
    }

    // The table of names, types and dims. There must be an artifact.
    const fv_model &model() const noexcept { return *fv_artifact_model(get()); }
    span<const fv_port_info> inputs() const noexcept {
        return {model().inputs, static_cast<std::size_t>(model().ninputs)};
    }
    span<const fv_port_info> outputs() const noexcept {
        return {model().outputs, static_cast<std::size_t>(model().noutputs)};
    }
    // Their indexes; -1: there is none.
    int find_input(text name) const noexcept {
        return fv_model_find_input(fv_artifact_model(get()), name);
    }
    int find_output(text name) const noexcept {
        return fv_model_find_output(fv_artifact_model(get()), name);
    }
    int find_symbol(text name) const noexcept {
        return fv_model_find_symbol(fv_artifact_model(get()), name);
    }

    // What a run with inputs of these dims needs: fv_artifact_plan.
    FV_ANSWER int try_plan(span<const view> in, span<view> out, std::size_t *workspace,
                           log *l = nullptr) const noexcept {
        return has_lists(in.size(), out.size() ? out.size() : outputs_wanted())
                   ? fv_artifact_plan(get(), in.data(), out.data(), workspace, fovea::get(l))
                   : FV_BAD_ARGUMENT;
    }
    // Runs the model once: fv_artifact_run. FV_BAD_ARGUMENT without a message: there is no
    // artifact, or it has another number of inputs or outputs.
    FV_ANSWER int try_run(span<const view> in, span<tensor> out, const fv_run_options *o = nullptr,
                          log *l = nullptr) const noexcept {
        return has_lists(in.size(), out.size())
                   ? fv_artifact_run(get(), in.data(), out.data(), o, fovea::get(l))
                   : FV_BAD_ARGUMENT;
    }

#ifdef FOVEA_EXCEPTIONS
    static artifact load(text path) {
        return make([&](artifact &a, log *l) { return a.try_load(path, l); });
    }
    static artifact compile(text path, const compile_options &o = {}) {
        return make([&](artifact &a, log *l) { return a.try_compile(path, o, l); });
    }
    static artifact compile_bytes(span<const char> bytes, text name, text folder = nullptr,
                                  const compile_options &o = {}) {
        return make(
            [&](artifact &a, log *l) { return a.try_compile_bytes(bytes, name, folder, o, l); });
    }
    static artifact compile_decoder(text path, const compile_options &o = {}) {
        return make([&](artifact &a, log *l) { return a.try_compile_decoder(path, o, l); });
    }
    // If there is a log, an error has its messages.
    void run(span<const view> in, span<tensor> out, const fv_run_options *o = nullptr,
             log *l = nullptr) const {
        check_lists(in.size(), out.size());
        check(try_run(in, out, o, l), l);
    }
    // The same, with a log and outputs that it allocates.
    std::vector<tensor> run(span<const view> in, const fv_run_options *o = nullptr) const {
        log l;
        std::vector<tensor> out(outputs_wanted());
        run(in, out, o, &l);
        return out;
    }
#endif

  private:
    bool has_lists(std::size_t in, std::size_t out) const noexcept {
        return *this && in == inputs().size() && out == outputs().size();
    }
    int take(int status, fv_artifact *a) noexcept {
        reset(status == FV_OK ? a : nullptr);
        return status;
    }
    std::size_t outputs_wanted() const noexcept { return *this ? outputs().size() : 0; }
#ifdef FOVEA_EXCEPTIONS
    // Throws if the model has another number of inputs or outputs, or there is no model.
    void check_lists(std::size_t in, std::size_t out) const {
        if (!*this)
            throw error(FV_BAD_ARGUMENT, "there is no artifact");
        if (!has_lists(in, out))
            throw error(FV_BAD_ARGUMENT, "the model has " + std::to_string(model().ninputs) +
                                             " inputs and " + std::to_string(model().noutputs) +
                                             " outputs, is given " + std::to_string(in) + " and " +
                                             std::to_string(out));
    }
    template <class F> static artifact make(F &&f) {
        artifact a;
        log l;
        check(f(a, &l), &l);
        return a;
    }
#endif
};

// Compiles to files: fv_compile_file. Allocates lists of the options.
FV_ANSWER inline int try_compile_file(text path, text out, const compile_options &o = {},
                                      log *l = nullptr) {
    return fv_compile_file(path, out, detail::c_options(o).get(), fovea::get(l));
}

// ---- states ----

// The values of states, kept from run to run: fv_states. The artifact must live longer. One call at
// a time may use it.
class states : public detail::handle<fv_states, fv_states_free> {
  public:
    states() noexcept = default;
    void reset() noexcept { reset_to(nullptr, nullptr); }
    // dims: "batch=2", "room=1024". Allocates a list of them.
    FV_ANSWER int try_make(const artifact &a, const std::vector<std::string> &dims,
                           log *l = nullptr) {
        std::vector<const char *> list;
        fv_states *s = nullptr;
        for (const std::string &d : dims)
            list.push_back(d.c_str());
        list.push_back(nullptr);
        int status = fv_states_new(a.get(), list.data(), fovea::get(l), &s);
        reset_to(s, &a);
        return status;
    }
    // Inputs of states are view(), for the kept value, or a value to take instead. Outputs of
    // states become views of the kept values, valid until the next call.
    FV_ANSWER int try_run(span<const view> in, span<tensor> out, const fv_run_options *o = nullptr,
                          log *l = nullptr) noexcept {
        return *this && has_lists(in.size(), out.size())
                   ? fv_states_run(get(), in.data(), out.data(), o, fovea::get(l))
                   : FV_BAD_ARGUMENT;
    }
    FV_ANSWER int try_get(int input, view &out) const noexcept {
        return fv_states_get(get(), input, &out);
    }
    FV_ANSWER int try_set(int input, const view &value, log *l = nullptr) noexcept {
        return fv_states_set(get(), input, &value, fovea::get(l));
    }
    void clear() noexcept { fv_states_reset(get()); } // fv_states_reset
#ifdef FOVEA_EXCEPTIONS
    explicit states(const artifact &a, const std::vector<std::string> &dims = {}) {
        log l;
        check(try_make(a, dims, &l), &l);
    }
    void run(span<const view> in, span<tensor> out, const fv_run_options *o = nullptr,
             log *l = nullptr) {
        if (!*this || !has_lists(in.size(), out.size()))
            throw error(FV_BAD_ARGUMENT, "the model has another number of inputs or outputs");
        check(try_run(in, out, o, l), l);
    }
    view value(int input) const {
        view v;
        check(try_get(input, v));
        return v;
    }
    void set(int input, const view &value, log *l = nullptr) { check(try_set(input, value, l), l); }
#endif

  private:
    void reset_to(fv_states *s, const artifact *a) noexcept {
        handle::reset(s);
        model_ = s ? &a->model() : nullptr;
    }
    bool has_lists(std::size_t in, std::size_t out) const noexcept {
        return in == static_cast<std::size_t>(model_->ninputs) &&
               out == static_cast<std::size_t>(model_->noutputs);
    }

    const fv_model *model_ = nullptr;
};

// ---- adapters ----

// The values of inputs in a file of ONNX Runtime (.onnx_adapter): fv_adapter.
class adapter : public detail::handle<fv_adapter, fv_adapter_free> {
  public:
    adapter() noexcept = default;
    FV_ANSWER int try_load(text path, log *l = nullptr) noexcept {
        fv_adapter *a = nullptr;
        int status = fv_adapter_load(path, fovea::get(l), &a);
        reset(a);
        return status;
    }
    std::size_t size() const noexcept { return static_cast<std::size_t>(fv_adapter_count(get())); }
    FV_ANSWER int try_get(std::size_t i, const char *&name, view &value) const noexcept {
        return fv_adapter_get(get(), static_cast<int>(i), &name, &value);
    }
    // Sets the inputs of a run for which the adapter has values; the others are view() or have
    // values already.
    FV_ANSWER int try_apply(const artifact &a, span<view> in, log *l = nullptr) const noexcept {
        return a && in.size() == a.inputs().size()
                   ? fv_adapter_apply(get(), &a.model(), in.data(), fovea::get(l))
                   : FV_BAD_ARGUMENT;
    }
#ifdef FOVEA_EXCEPTIONS
    explicit adapter(text path) {
        log l;
        check(try_load(path, &l), &l);
    }
    void apply(const artifact &a, span<view> in) const {
        log l;
        check(try_apply(a, in, &l), &l);
    }
#endif
};

// ---- strings ----

// The two tensors that models have for a tensor of strings.
struct string_tensors {
    tensor text, ends;
};

// As fv_strings_pack; an empty shape means a vector of all strings. Allocates a list of them. A
// string that contains a zero byte is refused with FV_BAD_ARGUMENT.
FV_ANSWER inline int try_pack(const std::vector<std::string> &strings,
                              span<const std::int64_t> shape, string_tensors &out,
                              log *l = nullptr) {
    std::vector<const char *> list;
    const std::int64_t all[] = {static_cast<std::int64_t>(strings.size())};
    span<const std::int64_t> dims = shape.empty() ? span<const std::int64_t>(all) : shape;
    view count(FV_TYPE_UINT8, nullptr, dims);
    if (count.rank < 0 || count.count() != strings.size())
        return FV_BAD_DIM;
    for (const std::string &s : strings) {
        if (s.find('\0') != std::string::npos)
            return FV_BAD_ARGUMENT;
        list.push_back(s.c_str());
    }
    list.push_back(nullptr);
    string_tensors made;
    int status = fv_strings_pack(list.data(), count.rank, dims.data(), &made.text, &made.ends,
                                 fovea::get(l));
    if (status == FV_OK)
        out = std::move(made);
    return status;
}
// The reverse. Allocates the strings.
FV_ANSWER inline int try_unpack(const view &text, const view &ends, std::vector<std::string> &out,
                                log *l = nullptr) {
    char **strings = nullptr;
    int status = fv_strings_unpack(&text, &ends, &strings, fovea::get(l));
    std::unique_ptr<char *, void (*)(char **)> freed(strings, fv_strings_free);
    if (status == FV_OK)
        out.assign(strings, strings + ends.count());
    return status;
}

// ---- sequences ----

// The two tensors that models have for a sequence of tensors.
struct sequence_tensors {
    tensor data, shapes;
};

// As fv_sequence_pack, with the elements. The tensors must have the type that is passed.
FV_ANSWER inline int try_pack_sequence(span<const view> tensors, std::int32_t type,
                                       sequence_tensors &out, log *l = nullptr) {
    std::vector<fv_array> list(tensors.begin(), tensors.end());
    sequence_tensors made;
    const int status = fv_sequence_pack(list.data(), static_cast<std::int64_t>(list.size()), type,
                                        &made.data, &made.shapes, fovea::get(l));
    if (status == FV_OK)
        out = std::move(made);
    return status;
}
// The reverse: views of parts of the data, which must live as long as they do.
FV_ANSWER inline int try_unpack_sequence(const view &data, const view &shapes,
                                         std::vector<view> &out, log *l = nullptr) {
    const bool rows = shapes.data && shapes.rank == 2 && shapes.dims[0] > 0;
    const std::int64_t n = rows ? shapes.dims[0] : 0;
    std::vector<fv_array> list;
    if (static_cast<std::uint64_t>(n) > list.max_size())
        return FV_TOO_LARGE;
    list.resize(static_cast<std::size_t>(n));
    const int status = fv_sequence_unpack(&data, &shapes, n, list.data(), fovea::get(l));
    if (status == FV_OK)
        out.assign(list.begin(), list.end());
    return status;
}

// ---- maps ----

// A map: a value for each key, in the same order. Vectors of strings are described by their number
// only: view(FV_TYPE_STRING, nullptr, {n}).
struct map_view {
    view keys, values;
};
// The vectors that models have for maps. Those of strings are empty.
struct map_tensors {
    tensor keys, values, ends;
};

// As fv_maps_pack. FV_TYPE_STRING: `out` has no such vector; try_pack makes text and ends of the
// strings of all maps.
FV_ANSWER inline int try_pack_maps(span<const map_view> maps, std::int32_t key_type,
                                   std::int32_t value_type, map_tensors &out, log *l = nullptr) {
    std::vector<fv_map> list;
    for (const map_view &m : maps)
        list.push_back({m.keys, m.values});
    map_tensors made;
    const int status = fv_maps_pack(list.data(), static_cast<std::int64_t>(list.size()), key_type,
                                    value_type, key_type == FV_TYPE_STRING ? nullptr : &made.keys,
                                    value_type == FV_TYPE_STRING ? nullptr : &made.values,
                                    &made.ends, fovea::get(l));
    if (status == FV_OK)
        out = std::move(made);
    return status;
}
// The reverse: views of parts of the vectors, which must live as long as they do. view() is passed
// for a vector of strings; the maps then have its length, but no data.
FV_ANSWER inline int try_unpack_maps(const view &keys, const view &values, const view &ends,
                                     std::vector<map_view> &out, log *l = nullptr) {
    const std::int64_t n = ends.rank == 1 && ends.dims[0] > 0 ? ends.dims[0] : 0;
    std::vector<fv_map> list;
    if (static_cast<std::uint64_t>(n) > list.max_size())
        return FV_TOO_LARGE;
    list.resize(ends.data ? static_cast<std::size_t>(n) : 0);
    fv_map none = {};
    const int status = fv_maps_unpack(keys.type ? &keys : nullptr, values.type ? &values : nullptr,
                                      &ends, static_cast<std::int64_t>(list.size()),
                                      list.empty() ? &none : list.data(), fovea::get(l));
    if (status != FV_OK)
        return status;
    out.clear();
    for (const fv_map &m : list)
        out.push_back({m.keys, m.values});
    return FV_OK;
}
#ifdef FOVEA_EXCEPTIONS
inline map_tensors pack_maps(span<const map_view> maps, std::int32_t key_type,
                             std::int32_t value_type) {
    log l;
    map_tensors made;
    check(try_pack_maps(maps, key_type, value_type, made, &l), &l);
    return made;
}
inline std::vector<map_view> unpack_maps(const view &keys, const view &values, const view &ends) {
    log l;
    std::vector<map_view> made;
    check(try_unpack_maps(keys, values, ends, made, &l), &l);
    return made;
}
inline sequence_tensors pack_sequence(span<const view> tensors, std::int32_t type) {
    log l;
    sequence_tensors made;
    check(try_pack_sequence(tensors, type, made, &l), &l);
    return made;
}
inline std::vector<view> unpack_sequence(const view &data, const view &shapes) {
    log l;
    std::vector<view> made;
    check(try_unpack_sequence(data, shapes, made, &l), &l);
    return made;
}
inline string_tensors pack(const std::vector<std::string> &strings,
                           span<const std::int64_t> shape = {}) {
    log l;
    string_tensors made;
    check(try_pack(strings, shape, made, &l), &l);
    return made;
}
inline std::vector<std::string> unpack(const view &text, const view &ends) {
    log l;
    std::vector<std::string> made;
    check(try_unpack(text, ends, made, &l), &l);
    return made;
}
inline void compile_file(text path, text out, const compile_options &o = {}) {
    log l;
    check(try_compile_file(path, out, o, &l), &l);
}
#endif

// ---- generating ----

// Options of a generator; `tokens` must be set.
struct generate_options : fv_generate_options {
    generate_options() noexcept : fv_generate_options() { size = sizeof(fv_generate_options); }
};

// An id, and the prompt that it continues.
struct generated {
    int sequence;
    std::int64_t id;
};

// Generates ids with a decoder: fv_generator. The artifact must live until the last id.
class generator : public detail::handle<fv_generator, fv_generator_free> {
  public:
    generator() noexcept = default;
    // Allocates a list of the prompts.
    FV_ANSWER int try_make(const artifact &a, const std::vector<std::vector<std::int64_t>> &prompts,
                           const generate_options &o, log *l = nullptr) {
        std::vector<fv_prompt> list;
        fv_generator *g = nullptr;
        for (const std::vector<std::int64_t> &p : prompts)
            list.push_back({p.data(), static_cast<std::int64_t>(p.size())});
        int status = fv_generator_new(a.get(), static_cast<int>(list.size()), list.data(), &o,
                                      fovea::get(l), &g);
        reset(g);
        return status;
    }
    // out.sequence is -1 after the last id.
    FV_ANSWER int try_next(generated &out, log *l = nullptr) noexcept {
        return fv_generator_next(get(), &out.sequence, &out.id, fovea::get(l));
    }
#ifdef FOVEA_EXCEPTIONS
    generator(const artifact &a, const std::vector<std::vector<std::int64_t>> &prompts,
              const generate_options &o) {
        log l;
        check(try_make(a, prompts, o, &l), &l);
    }
    // Nothing after the last id.
    std::optional<generated> next(log *l = nullptr) {
        generated g = {-1, 0};
        check(try_next(g, l), l);
        return g.sequence >= 0 ? std::optional<generated>(g) : std::nullopt;
    }
#endif
};

} // namespace fovea

#endif
