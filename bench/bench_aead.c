/* SPDX-License-Identifier: MIT
 *
 * What ChaCha20-Poly1305 costs at the lengths that the cells have, against
 * libsodium's own; and at others, because it is uneven in the length.
 */
#include "bench.h"

#include "plain_seal.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"

#include <sodium.h>

typedef void seal_fn(uint64_t counter, struct bytes associated, uint8_t *text,
                     size_t len);

static void our_seal(uint64_t counter, struct bytes associated, uint8_t *text,
                     size_t len)
{
    static const uint8_t key[AEAD_KEY_BYTES];

    aead_seal(key, counter, associated, text, len);
}

/* ns to seal `len` bytes, the best of some runs. */
static double time_of(seal_fn *seal, size_t associated, size_t len)
{
    enum { RUNS = 9, SEALS = 2000 };
    static uint8_t text[2048 + AEAD_TAG_BYTES], head[2048];
    double best = 1e9, t;

    for (int run = 0; run < RUNS; run++) {
        t = bench_cpu();
        for (unsigned i = 0; i < SEALS; i++)
            seal(i, bytes_of(head, associated), text, len);
        t = bench_cpu() - t;
        best = t < best ? t : best;
    }
    return best / SEALS * 1e9;
}

static double seal_time(size_t len)
{
    return time_of(our_seal, 0, len);
}

/* How many times as fast as libsodium's. */
static void compare(const char *name, size_t associated, size_t len)
{
    double ours = time_of(our_seal, associated, len);
    double plain = time_of(plain_seal, associated, len);

    bench_ratio(name, 1e3 / ours, "M/s", 1e3 / plain, "> 100 %");
}

static void compare_cell(size_t body_len, const char *what)
{
    char name[80];

    snprintf(name, sizeof(name), "head of a %s cell, with its body", what);
    compare(name, body_len, CELL_HEAD_BYTES);
    for (unsigned i = 1; i <= ONION_HOPS_MAX; i++) {
        snprintf(name, sizeof(name), "layer of a %s cell, hop %u", what, i);
        compare(name, 0, onion_text_len(body_len, i));
    }
}

/* The hop whose layer has this length, in a cell of this size; 0: none. */
static unsigned hop_of(size_t body_len, size_t len)
{
    for (unsigned i = 1; i <= ONION_HOPS_MAX; i++) {
        if (onion_text_len(body_len, i) == len)
            return i;
    }
    return 0;
}

/* Multiples of 64 and 8 below, the layers of both cells, and what layers of
 * neighbouring sizes would have. */
static void sweep(size_t body_len, const char *what)
{
    size_t from = onion_text_len(body_len, ONION_HOPS_MAX);

    for (size_t len = from; len <= body_len + 48; len += 8) {
        unsigned hop = hop_of(body_len, len);
        double ns = seal_time(len);
        char name[80], note[40] = "";

        if (hop == 0 && len % 64 != 0 && len % 24 != 0)
            continue;
        if (hop != 0)
            snprintf(note, sizeof(note), "hop %u of the %s cell", hop, what);
        snprintf(name, sizeof(name), "seal %zu bytes%s", len,
                 len % 64 == 0 ? ", a multiple of 64" : "");
        bench_value(name, ns / (double)len, "ns a byte", note);
    }
}

/* All layers of a cell, of this body length and of others: what a path of
 * four hops pays for a byte of payload. */
static void sweep_bodies(size_t body_len)
{
    for (size_t body = body_len - 32; body <= body_len + 40; body += 8) {
        double ns = 0;
        char name[80];

        for (unsigned i = 1; i <= ONION_HOPS_MAX; i++)
            ns += seal_time(onion_text_len(body, i));
        snprintf(name, sizeof(name), "four layers of a body of %zu", body);
        bench_value(name, ns / (double)onion_message_len(body), "ns a byte",
                    body == body_len ? "chosen" : "");
    }
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    bench_title("libsodium");
    compare_cell(CELL_LARGE_BODY, "large");
    compare_cell(CELL_SMALL_BODY, "small");
    sweep(CELL_LARGE_BODY, "large");
    sweep(CELL_SMALL_BODY, "small");
    sweep_bodies(CELL_LARGE_BODY);
    sweep_bodies(CELL_SMALL_BODY);
    return 0;
}
