/* SPDX-License-Identifier: MIT
 *
 * Reading and writing what cells between neighbours say, but for SAMPLE and
 * PUNCTURE, whose texts are read where they go (directory, puncture.c).
 */
#include "tunnel/link/link_text.h"

#include "tunnel/crypto/layout.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>

#define TOKENS_MAX 4

static size_t write_pair(uint8_t out[LINK_TEXT_SMALL], uint32_t index,
                         struct bytes noise)
{
    struct mp_writer w;

    mp_writer_init(&w, out, LINK_TEXT_SMALL);
    mp_write_array(&w, 2);
    mp_write_uint(&w, index);
    mp_write_bin(&w, noise);
    assert(w.err == OK);
    return w.len;
}

static enum error read_pair(struct bytes text, size_t noise_len,
                            struct link_text *out)
{
    struct mp_token tokens[TOKENS_MAX];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS_MAX};
    struct link_text t;
    struct mp_reader r;
    size_t used;

    mp_reader_parse_first(&r, &tape, text, &used);
    mp_read_array(&r, 2);
    t.index = (uint32_t)mp_read_uint(&r, UINT32_MAX);
    t.noise = mp_read_bytes(&r, noise_len, noise_len);
    if (r.err == OK)
        *out = t;
    return r.err;
}

size_t link_text_write_rekey(uint8_t out[LINK_TEXT_SMALL], uint32_t index,
                             const uint8_t noise[NOISE_OVERHEAD])
{
    return write_pair(out, index, bytes_of(noise, NOISE_OVERHEAD));
}

size_t link_text_write_create(uint8_t out[LINK_TEXT_SMALL], uint32_t index,
                              struct bytes noise1)
{
    return write_pair(out, index, noise1);
}

size_t link_text_write_created(uint8_t out[LINK_TEXT_SMALL], uint32_t index,
                               const uint8_t noise2[NOISE_OVERHEAD])
{
    return write_pair(out, index, bytes_of(noise2, NOISE_OVERHEAD));
}

size_t link_text_write_destroy(uint8_t out[LINK_TEXT_SMALL], enum reason why)
{
    struct mp_writer w;

    mp_writer_init(&w, out, LINK_TEXT_SMALL);
    mp_write_array(&w, 1);
    mp_write_uint(&w, why);
    return w.len;
}

enum error link_text_read_rekey(struct bytes text, struct link_text *out)
{
    return read_pair(text, NOISE_OVERHEAD, out);
}

enum error link_text_read_create(struct bytes text, struct link_text *out)
{
    return read_pair(text, HOP_NOISE1_BYTES, out);
}

enum error link_text_read_created(struct bytes text, struct link_text *out)
{
    return read_pair(text, NOISE_OVERHEAD, out);
}

enum error link_text_read_destroy(struct bytes text, enum reason *out)
{
    struct mp_token tokens[TOKENS_MAX];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS_MAX};
    struct mp_reader r;
    uint64_t why;
    size_t used;

    mp_reader_parse_first(&r, &tape, text, &used);
    mp_read_array(&r, 2);
    why = mp_read_uint(&r, UINT64_MAX);
    if (r.err == OK)
        *out = reason_of(why);
    return r.err;
}
