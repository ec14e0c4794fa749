// server.cpp - one model for several threads: requests that wait at the same time are one run, along
// the dim `batch`. Four threads write a story each, a character per request.
// Usage: server [MODEL [MOST]], where MOST is the largest batch.
#include <fovea.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

using ids = std::vector<std::int64_t>;

// A text, and the character that follows it. It belongs to the thread that waits for the answer.
struct request {
    const ids &text;
    std::int64_t answer = 0;
    int status = FV_OK;
    std::string messages = {};
    bool is_done = false;
};

class server {
  public:
    server(const fovea::artifact &model, std::size_t most, std::chrono::microseconds patience)
        : model_(model), most_(most), patience_(patience), thread_([this] { serve(); }) {}
    ~server() {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            is_closed_ = true;
        }
        arrived_.notify_all();
        thread_.join();
    }

    // The character that follows the text. Any number of threads may ask at the same time.
    std::int64_t next(const ids &text) {
        request r{text};
        std::unique_lock<std::mutex> lock(mutex_);
        waiting_.push_back(&r);
        arrived_.notify_all();
        answered_.wait(lock, [&] { return r.is_done; });
        if (r.status != FV_OK)
            throw fovea::error(r.status, r.messages);
        return r.answer;
    }

    // The numbers of requests and of runs so far.
    int requests() const { return requests_; }
    int runs() const { return runs_; }

  private:
    // The thread of the server: takes a batch, runs it without the lock, and answers.
    void serve() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            arrived_.wait(lock, [&] { return is_closed_ || !waiting_.empty(); });
            if (waiting_.empty())
                return;
            // Others that come soon are in the same run.
            arrived_.wait_for(lock, patience_, [&] { return is_closed_ || count() >= most_; });
            const std::vector<request *> batch = take();
            lock.unlock();
            run(batch);
            lock.lock();
            requests_ += static_cast<int>(batch.size());
            runs_++;
            for (request *r : batch)
                r->is_done = true;
            answered_.notify_all();
        }
    }

    bool fits(const request *r) const { return r->text.size() == waiting_.front()->text.size(); }
    std::size_t count() const {
        return static_cast<std::size_t>(std::count_if(waiting_.begin(), waiting_.end(),
                                                      [&](const request *r) { return fits(r); }));
    }

    // Removes the first request from the queue, and others whose texts are as long.
    std::vector<request *> take() {
        std::vector<request *> batch, others;
        for (request *r : waiting_)
            (fits(r) && batch.size() < most_ ? batch : others).push_back(r);
        waiting_.assign(others.begin(), others.end());
        return batch;
    }

    // Sets the answers of a batch, or what went wrong.
    void run(const std::vector<request *> &batch) {
        const auto n = static_cast<std::int64_t>(batch.size());
        const auto length = static_cast<std::int64_t>(batch[0]->text.size());
        all_ids_.clear();
        for (const request *r : batch)
            all_ids_.insert(all_ids_.end(), r->text.begin(), r->text.end());
        // The model has caches, which are empty: each request is a whole text.
        std::vector<fovea::view> in(model_.inputs().size(),
                                    fovea::view(FV_TYPE_FLOAT, nullptr, {n, 3, 0, 16}));
        std::vector<fovea::tensor> out(model_.outputs().size());
        in[0] = fovea::view(all_ids_, {n, length});
        log_.clear();
        const int status = model_.try_run(in, out, nullptr, &log_);
        const fovea::span<float> logits = out[0].try_values<float>();
        const std::size_t each = logits.size() / batch.size();
        for (std::size_t i = 0; i < batch.size(); i++) {
            batch[i]->status = status;
            batch[i]->messages = log_.text();
            const float *row = logits.data() + i * each;
            batch[i]->answer = status == FV_OK ? std::max_element(row, row + each) - row : 0;
        }
    }

    const fovea::artifact &model_;
    const std::size_t most_;
    const std::chrono::microseconds patience_;
    ids all_ids_; // these two are used by the thread only
    fovea::log log_;
    std::mutex mutex_; // guards the members up to the thread
    std::condition_variable arrived_, answered_;
    std::deque<request *> waiting_;
    bool is_closed_ = false;
    int requests_ = 0, runs_ = 0;
    std::thread thread_;
};

static const std::string alphabet = "\n .ABCDHIMNSTabcdefghiklmnoprstuvwxy";

static std::string story(server &s, const std::string &beginning) {
    ids text = {0}; // a story follows a newline, and ends with one
    for (char c : beginning)
        text.push_back(static_cast<std::int64_t>(alphabet.find(c)));
    do
        text.push_back(s.next(text));
    while (text.back() != 0 && text.size() < 200);
    std::string written;
    for (std::int64_t id : text)
        written += alphabet[static_cast<std::size_t>(id)];
    return written.substr(1);
}

int main(int argc, char **argv) {
    try {
        const std::string path = argc > 1 ? argv[1] : "stories.onnx";
        const bool is_library = path.size() > 3 && path.substr(path.size() - 3) == ".so";
        const fovea::artifact model =
            is_library ? fovea::artifact::load(path) : fovea::artifact::compile(path);
        const std::string beginnings[] = {"Ida has", "Max has", "Ben has", "Tom has"};
        std::string stories[4];
        const std::size_t most = argc > 2 ? std::max(1ul, std::stoul(argv[2])) : 4;
        server s(model, most, std::chrono::milliseconds(1));
        std::atomic<bool> failed = false;
        std::vector<std::thread> callers;
        for (std::size_t i = 0; i < 4; i++)
            callers.emplace_back([&, i] {
                try {
                    stories[i] = story(s, beginnings[i]);
                } catch (const fovea::error &e) {
                    stories[i] = e.what();
                    failed = true;
                }
            });
        for (std::thread &t : callers)
            t.join();
        for (const std::string &text : stories)
            std::printf("%s", text.c_str());
        std::printf("%d requests, %d runs\n", s.requests(), s.runs());
        return failed;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
