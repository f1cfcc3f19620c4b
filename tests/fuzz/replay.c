/*
 * A driver for the fuzz targets where libFuzzer is not: it runs the seed corpus, then mutations of
 * it.
 *
 * usage: x_fuzz [-runs=N] [-seed=N] [FILE or FOLDER]...
 *
 * The mutations are the same on every run of a seed, so a failure in the quick suite can be
 * repeated. `make fuzz` builds the same targets with clang and coverage feedback.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_LIMIT = 64 << 10, SEED_LIMIT = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *data;
    size_t size;
};

struct corpus {
    struct input seeds[SEED_LIMIT];
    size_t count;
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Each input runs from a heap block of exactly its size, so that a sanitizer sees one byte too far.
 */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        exit(1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int add_file(struct corpus *corpus, const char *path)
{
    uint8_t *data = malloc(INPUT_LIMIT);
    FILE *file = fopen(path, "rb");

    if (!data || !file || corpus->count == SEED_LIMIT) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        free(data);
        if (file)
            fclose(file);
        return -1;
    }
    corpus->seeds[corpus->count++] =
        (struct input){.data = data, .size = fread(data, 1, INPUT_LIMIT, file)};
    fclose(file);
    return 0;
}

static int add_path(struct corpus *corpus, const char *path)
{
    struct dirent **entries;
    struct stat info;
    char name[4096];
    int count, status = 0;

    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode))
        return add_file(corpus, path);
    count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            status |= add_file(corpus, name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* Changes 1 to 8 places: a bit, a byte, a boundary value of 1 to 8 bytes, or the length. */
static size_t mutate(uint8_t *data, size_t size, uint64_t *state)
{
    static const uint64_t boundaries[] = {0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, UINT64_MAX};
    unsigned changes = 1 + random_next(state) % 8;

    while (changes-- && size) {
        size_t at = random_next(state) % size;
        size_t width = (size_t)1 << random_next(state) % 4;

        switch (random_next(state) % 4) {
        case 0:
            data[at] ^= 1u << random_next(state) % 8;
            break;
        case 1:
            data[at] = random_next(state);
            break;
        case 2:
            if (width > size - at)
                width = size - at;
            memcpy(data + at, &boundaries[random_next(state) % 8], width);
            break;
        default:
            if (random_next(state) % 8 == 0)
                size = at;
            break;
        }
    }
    return size;
}

static void run_mutations(const struct corpus *corpus, unsigned long runs, uint64_t state)
{
    uint8_t *data = malloc(INPUT_LIMIT);

    if (!data)
        exit(1);
    for (unsigned long i = 0; i < runs; i++) {
        const struct input *seed = &corpus->seeds[random_next(&state) % corpus->count];

        memcpy(data, seed->data, seed->size);
        run_one(data, mutate(data, seed->size, &state));
    }
    free(data);
}

int main(int argc, char **argv)
{
    static struct corpus corpus;
    unsigned long runs = 2000;
    uint64_t seed = 1;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtoul(argv[i] + 6, NULL, 0);
        else if (strncmp(argv[i], "-seed=", 6) == 0)
            seed = strtoul(argv[i] + 6, NULL, 0);
        else if (add_path(&corpus, argv[i]) != 0)
            return 1;
    }
    if (!corpus.count) {
        fprintf(stderr, "%s: there is no seed to start from\n", argv[0]);
        return 1;
    }
    run_one((const uint8_t *)"", 0);
    for (size_t i = 0; i < corpus.count; i++)
        run_one(corpus.seeds[i].data, corpus.seeds[i].size);
    run_mutations(&corpus, runs, seed * 0x9e3779b97f4a7c15);
    printf("%zu seeds and %lu mutations of them\n", corpus.count, runs);
    for (size_t i = 0; i < corpus.count; i++)
        free(corpus.seeds[i].data);
    return 0;
}
