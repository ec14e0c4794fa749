// guess.cpp - passes words to a model, and prints the map that it returns for each: languages, which
// are strings, and their probabilities.
// Usage: guess MODEL WORD...
#include <fovea.hpp>

#include <cstdio>
#include <stdexcept>

static const fovea::tensor &output(const fovea::artifact &model,
                                   const std::vector<fovea::tensor> &all, const char *name) {
    const int i = model.find_output(name);
    if (i < 0)
        throw std::runtime_error(std::string("the model has no output ") + name);
    return all[static_cast<std::size_t>(i)];
}

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    try {
        const fovea::artifact model = fovea::artifact::compile(argv[1]);
        const std::vector<std::string> words(argv + 2, argv + argc);
        const fovea::string_tensors packed = fovea::pack(words);
        // A tensor of strings is two inputs, in this order: words.text and words.ends.
        const std::vector<fovea::tensor> out = model.run({packed.text, packed.ends});

        // The keys of all maps are one list of strings, the values one vector.
        const std::vector<std::string> languages = fovea::unpack(
            output(model, out, "guesses.keys.text"), output(model, out, "guesses.keys.ends"));
        const std::vector<fovea::map_view> guesses =
            fovea::unpack_maps(fovea::view(), output(model, out, "guesses.values"),
                               output(model, out, "guesses.ends"));
        auto language = languages.begin();
        for (std::size_t i = 0; i < guesses.size(); i++) {
            std::printf("%s:", words[i].c_str());
            const float *p = static_cast<const float *>(guesses[i].values.data);
            for (std::int64_t k = 0; k < guesses[i].keys.dims[0]; k++)
                std::printf(" %s %.2f", (language++)->c_str(), static_cast<double>(p[k]));
            std::printf("\n");
        }
    } catch (const fovea::error &e) {
        std::fprintf(stderr, "%s: %s", fv_status_name(e.status()), e.what());
        return 1;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
