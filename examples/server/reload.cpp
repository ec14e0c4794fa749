// reload.cpp - replaces the model of a server by a newer one while threads run it: runs that have
// begun end with the old model, later ones use the new one, and no caller waits or fails.
// Usage: reload OLD.so WRONG.so NEW.so; the server loads each from the path served.so. WRONG.so is
// a file that cannot replace the model: it is damaged, or has other inputs. The new model has to add
// more to its input than the old one.
#include <fovea.hpp>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

// The model that is served. Any number of threads may use it.
class served {
  public:
    explicit served(std::string path) : path_(std::move(path)) {}

    // The model for one run, which keeps it alive.
    std::shared_ptr<const fovea::artifact> get() const {
        std::lock_guard<std::mutex> lock(mutex_);
        return model_;
    }

    // Loads the file, and runs its model once. If it cannot be used, for example because it has
    // other inputs, the model stays, and `why` is the reason.
    bool load(std::string &why) {
        fovea::log log;
        fovea::artifact fresh;
        const float x[1] = {0};
        fovea::tensor y[1];
        int status = fresh.try_load(path_, &log);
        if (status == FV_OK)
            status = fresh.try_run({fovea::view(x)}, y, nullptr, &log);
        why = log.text();
        if (status != FV_OK)
            return false;
        auto next = std::make_shared<const fovea::artifact>(std::move(fresh));
        std::lock_guard<std::mutex> lock(mutex_);
        model_.swap(next); // the old model is freed when its last run ends
        return true;
    }

  private:
    const std::string path_;
    mutable std::mutex mutex_;
    std::shared_ptr<const fovea::artifact> model_;
};

// Puts a file in the place of the served one. It is renamed and not overwritten: a process that has
// loaded the old file still needs its content.
static void install(const std::string &file, const std::string &path) {
    const std::string temporary = path + ".new";
    std::filesystem::copy_file(file, temporary, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::rename(temporary, path);
}

// What the model makes of a zero.
static float ask(const served &s) {
    const auto model = s.get();
    const float x[1] = {0};
    fovea::run_options one;
    one.threads = 1;
    return model->run({fovea::view(x)}, &one)[0].values<float>()[0];
}

static void wait_for(const std::atomic<int> &answers, int more) {
    for (const int before = answers; answers < before + more;)
        std::this_thread::yield();
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    try {
        served s("./served.so");
        std::string why;
        install(argv[1], "./served.so");
        if (!s.load(why))
            throw std::runtime_error(why);

        std::atomic<bool> is_closed = false;
        std::atomic<int> answers = 0, failures = 0;
        std::vector<std::thread> callers;
        for (int i = 0; i < 4; i++)
            callers.emplace_back([&] {
                float last = 0;
                while (!is_closed) {
                    try {
                        const float y = ask(s);
                        failures += y < last; // nobody gets answers of the old model after the new
                        last = y;
                    } catch (const std::exception &e) {
                        std::fprintf(stderr, "%s\n", e.what());
                        failures++;
                    }
                    answers++;
                }
            });
        std::printf("old model: %g\n", static_cast<double>(ask(s)));
        wait_for(answers, 1000);
        for (int file : {2, 3}) {
            install(argv[file], "./served.so");
            const bool ok = s.load(why);
            std::printf("%s: %s", argv[file], ok ? "loaded\n" : why.c_str());
            wait_for(answers, 1000);
        }
        std::printf("new model: %g\n", static_cast<double>(ask(s)));
        is_closed = true;
        for (std::thread &t : callers)
            t.join();
        std::printf("%d failures\n", failures.load());
        return failures > 0;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
