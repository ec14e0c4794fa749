// own_threads.cpp - runs two models at once on threads that the program has anyway, so that Fovea
// starts none, and compares the results with those of one thread.
// Usage: own_threads MODEL, whose dims have values or are left at 1
#include <fovea.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

// Threads that take jobs from a queue, as many programs have them.
class workers {
  public:
    explicit workers(unsigned n) {
        for (unsigned i = 0; i < n; i++)
            threads_.emplace_back([this] { work(); });
    }
    ~workers() {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            is_closed_ = true;
        }
        arrived_.notify_all();
        for (std::thread &t : threads_)
            t.join();
    }
    void add(std::function<void()> job) {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            jobs_.push_back(std::move(job));
        }
        arrived_.notify_one();
    }
    unsigned size() const { return static_cast<unsigned>(threads_.size()); }

  private:
    void work() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            arrived_.wait(lock, [this] { return is_closed_ || !jobs_.empty(); });
            if (jobs_.empty())
                return;
            const std::function<void()> job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::function<void()>> jobs_;
    bool is_closed_ = false;
    std::vector<std::thread> threads_;
};

// The parallel_for of fv_env. The caller takes iterations, too, so a run goes on when all workers
// are busy with other jobs, and a worker may itself run a model.
static std::atomic<int> loops = 0; // how many were executed

static void on_workers(void *user, void (*task)(void *arg, std::int64_t i), void *arg,
                       std::int64_t n) {
    workers &all = *static_cast<workers *>(user);
    loops++;
    struct loop {
        std::atomic<std::int64_t> next = 0, done = 0;
        std::mutex mutex;
        std::condition_variable ended;
    };
    const auto shared = std::make_shared<loop>(); // a worker may begin after the loop has ended
    const auto take = [shared, task, arg, n] {
        for (std::int64_t i; (i = shared->next++) < n;) {
            task(arg, i);
            if (++shared->done == n) {
                std::lock_guard<std::mutex> lock(shared->mutex);
                shared->ended.notify_all();
            }
        }
    };
    for (std::int64_t i = 1; i < n && i <= all.size(); i++)
        all.add(take);
    take();
    std::unique_lock<std::mutex> lock(shared->mutex);
    shared->ended.wait(lock, [&] { return shared->done == n; });
}

static std::size_t count_threads() {
    std::size_t n = 0;
    for (const auto &thread : std::filesystem::directory_iterator("/proc/self/task"))
        n += thread.exists();
    return n;
}

// The first output for one input of 40 characters.
static std::vector<float> read_date(const fovea::artifact &model, const char *text,
                                    const fovea::run_options &options) {
    std::vector<std::int32_t> characters(40);
    for (std::size_t i = 0; i < std::strlen(text); i++)
        characters[i] = text[i];
    const fovea::view in[] = {fovea::view(characters, {1, 40})};
    fovea::tensor out[1];
    fovea::log log;
    model.run(in, out, &options, &log);
    const fovea::span<float> probs = out[0].values<float>();
    return {probs.begin(), probs.end()};
}

int main(int argc, char **argv) {
    try {
        const char *path = argc > 1 ? argv[1] : "dates.onnx";
        const fovea::artifact a = fovea::artifact::compile(path),
                              b = fovea::artifact::compile(path);
        fovea::run_options alone;
        alone.threads = 1;
        const std::vector<float> one = read_date(a, "3 May 1979", alone),
                                 two = read_date(b, "1.2.2003", alone);

        workers all(3);
        fv_env env = {};
        env.size = sizeof env;
        env.user = &all;
        env.parallel_for = on_workers;
        fovea::run_options shared;
        shared.env = &env;
        const std::size_t before = count_threads();
        int wrong = 0;
        std::atomic<int> others = 0;
        std::thread other([&] {
            for (int i = 0; i < 100; i++)
                others += read_date(b, "1.2.2003", shared) != two;
        });
        for (int i = 0; i < 100; i++)
            wrong += read_date(a, "3 May 1979", shared) != one;
        const bool none = count_threads() <= before + 1;
        other.join();
        std::printf("%s\n", loops > 0 ? "the workers have run loops" : "no loop was run");
        std::printf("%s\n", none ? "no thread was started" : "threads were started");
        std::printf("%d of 200 results differ\n", wrong + others);
        return wrong + others > 0 || !none || loops == 0;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
