/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz harness over the files of a corpus directory, and over simple
 * mutations of each, the fewer the more files there are: always the same ones,
 * so that a failure repeats. Every input lies in an allocation of exactly its
 * size, where ASan sees the first byte read past it.
 *
 * Usage: fuzz_<target> DIRECTORY
 */

#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE      (64u * 1024u)
#define MAX_FLIPS     1024u /* of one file */
#define MAX_TRUNCATED 256u
#define MAX_RUNS      12288u /* of all, but for one or two of each file */

static size_t runs;
static size_t flips = MAX_FLIPS, truncated = MAX_TRUNCATED; /* of each file */

static void run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

/* The step that spreads at most `limit` probes over `count` positions. */
static size_t stride(size_t count, size_t limit)
{
    return count / limit + 1;
}

static void run_mutations(uint8_t *data, size_t size)
{
    size_t bits = size * 8;

    for (size_t bit = 0; bit < bits; bit += stride(bits, flips)) {
        uint8_t mask = (uint8_t)(1u << (bit % 8));

        data[bit / 8] ^= mask;
        run_copy(data, size);
        data[bit / 8] ^= mask;
    }
    for (size_t n = 0; n < size; n += stride(size, truncated))
        run_copy(data, n);
}

static int replay_file(const char *directory, const char *name)
{
    static uint8_t data[MAX_FILE];
    char path[4096];
    size_t size;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    size = fread(data, 1, sizeof(data), file);
    fclose(file);
    /* The last line of a failed run's output names the culprit. */
    printf("%s\n", path);
    fflush(stdout);
    run_copy(data, size);
    run_mutations(data, size);
    return 0;
}

static void share_runs(size_t files)
{
    size_t share = MAX_RUNS / (files + 1);

    flips = share < MAX_FLIPS ? share + 1 : MAX_FLIPS;
    truncated = share / 4 < MAX_TRUNCATED ? share / 4 + 1 : MAX_TRUNCATED;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int count, files = 0, status = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    count = scandir(argv[1], &entries, NULL, alphasort);
    if (count < 0) {
        perror(argv[1]);
        return 1;
    }
    share_runs((size_t)count);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            status |= replay_file(argv[1], entries[i]->d_name);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    printf("%d files, %zu runs\n", files, runs);
    return status || files == 0 ? 1 : 0;
}
