/* SPDX-License-Identifier: MIT
 *
 * The handshake "service" with its two payloads, which are msgpack in a frame
 * of fixed length, so that all introductions look alike.
 */
#include "tunnel/channel/invitation.h"

#include "tunnel/crypto/prologue.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define INVITATION_VERSION  1
#define INVITATION_ELEMENTS 8
#define ANSWER_BYTES        16

static_assert(INVITATION_SEALED + NOISE_OVERHEAD == MEETING_NOISE1_BYTES,
              "the frame of an introduction");
static_assert(ANSWER_BYTES + NOISE_OVERHEAD == MEETING_NOISE2_BYTES,
              "the frame of its answer");

/* ---- The text ----------------------------------------------------------- */

static struct bytes optional(bool there, const uint8_t *p, size_t len)
{
    return bytes_of(p, there ? len : 0);
}

static void write_text(const struct invitation *i,
                       uint8_t text[INVITATION_SEALED])
{
    struct mp_writer w;

    memset(text, 0, INVITATION_SEALED);
    mp_writer_init(&w, text, INVITATION_SEALED);
    mp_write_array(&w, INVITATION_ELEMENTS);
    mp_write_uint(&w, INVITATION_VERSION);
    mp_write_bin(&w, bytes_of(i->cookie, sizeof(i->cookie)));
    relay_target_write(&w, &i->rendezvous);
    mp_write_bin(&w, optional(i->resume, i->resume_id, sizeof(i->resume_id)));
    mp_write_bin(&w, optional(i->has_member, i->member, sizeof(i->member)));
    mp_write_bin(&w, optional(i->has_member, i->mac, sizeof(i->mac)));
    mp_write_uint(&w, i->greeting);
    mp_write_uint(&w, i->flags);
    assert(w.err == OK);
}

/* Nothing, or `len` bytes; whether they are there. */
static bool read_optional(struct mp_reader *r, uint8_t *out, size_t len)
{
    struct bytes b = mp_read_bytes(r, 0, len);

    if (r->err == OK && b.len != 0 && b.len != len)
        mp_fail(r, ERR_WRONG_LENGTH);
    if (r->err != OK || b.len == 0)
        return false;
    memcpy(out, b.p, len);
    return true;
}

static void read_fields(struct mp_reader *r, bool testing, struct invitation *i)
{
    struct bytes cookie =
        mp_read_bytes(r, sizeof(i->cookie), sizeof(i->cookie));
    bool has_mac;

    if (r->err == OK)
        memcpy(i->cookie, cookie.p, sizeof(i->cookie));
    relay_target_read(r, testing, &i->rendezvous);
    i->resume = read_optional(r, i->resume_id, sizeof(i->resume_id));
    i->has_member = read_optional(r, i->member, sizeof(i->member));
    has_mac = read_optional(r, i->mac, sizeof(i->mac));
    i->greeting = (uint32_t)mp_read_uint(r, UINT32_MAX);
    i->flags = (uint8_t)mp_read_uint(r, UINT8_MAX);
    if (r->err == OK && has_mac != i->has_member)
        mp_fail(r, ERR_MISSING);
}

static enum error read_text(const uint8_t text[INVITATION_SEALED], bool testing,
                            struct invitation *out)
{
    struct mp_token tokens[INVITATION_ELEMENTS + RELAY_TARGET_TOKENS];
    struct mp_tape tape = {.tokens = tokens,
                           .cap = sizeof(tokens) / sizeof(*tokens)};
    struct invitation i = {0};
    struct mp_reader r;
    size_t used;

    mp_reader_parse_first(&r, &tape, bytes_of(text, INVITATION_SEALED), &used);
    if (r.err == OK && !sodium_is_zero(text + used, INVITATION_SEALED - used))
        return ERR_TRAILING;
    if (mp_read_array(&r, INVITATION_ELEMENTS) != INVITATION_ELEMENTS)
        mp_fail(&r, ERR_MISSING);
    if (mp_read_uint(&r, UINT64_MAX) != INVITATION_VERSION)
        mp_fail(&r, ERR_UNSUPPORTED);
    read_fields(&r, testing, &i);
    if (r.err == OK)
        *out = i;
    sodium_memzero(&i, sizeof(i));
    return r.err;
}

/* ---- The handshake ------------------------------------------------------ */

static void begin(struct noise *n, const struct invitation_to *to)
{
    prologue_init_noise(n, "service", to->network, to->credential, to->key);
}

enum error invitation_write(const struct invitation *i,
                            const struct invitation_to *to,
                            const uint8_t ephemeral[NOISE_KEY_BYTES],
                            struct noise *n,
                            uint8_t noise1[MEETING_NOISE1_BYTES])
{
    uint8_t text[INVITATION_SEALED];
    enum error e;

    write_text(i, text);
    begin(n, to);
    e = noise_write_first(n, ephemeral, bytes_of(text, sizeof(text)), noise1);
    sodium_memzero(text, sizeof(text));
    if (e != OK)
        noise_deinit(n);
    return e;
}

enum error invitation_read(const uint8_t noise1[MEETING_NOISE1_BYTES],
                           const struct invitation_to *to, bool testing,
                           struct noise *n, struct invitation *out)
{
    uint8_t text[INVITATION_SEALED];
    enum error e;

    begin(n, to);
    e = noise_read_first(n, to->secret, bytes_of(noise1, MEETING_NOISE1_BYTES),
                         text);
    if (e == OK)
        e = read_text(text, testing, out);
    sodium_memzero(text, sizeof(text));
    if (e != OK)
        noise_deinit(n);
    return e;
}

/* The opener is the initiator. */
static void split(struct noise *n, bool opener, struct channel_keys *keys)
{
    struct noise_keys k;

    noise_split(n, &k);
    channel_keys_of(&k, opener, keys);
    sodium_memzero(&k, sizeof(k));
    noise_deinit(n);
}

enum error invitation_answer(struct noise *n,
                             const uint8_t ephemeral[NOISE_KEY_BYTES],
                             bool resumed, uint8_t noise2[MEETING_NOISE2_BYTES],
                             struct channel_keys *keys)
{
    const uint8_t text[ANSWER_BYTES] = {resumed};
    enum error e =
        noise_write_second(n, ephemeral, bytes_of(text, sizeof(text)), noise2);

    if (e != OK) {
        noise_deinit(n);
        return e;
    }
    split(n, false, keys);
    return OK;
}

enum error invitation_answered(struct noise *n, struct bytes noise2,
                               bool *resumed, struct channel_keys *keys)
{
    uint8_t text[ANSWER_BYTES];
    struct noise trial = *n;
    enum error e = ERR_WRONG_LENGTH;

    if (noise2.len == MEETING_NOISE2_BYTES)
        e = noise_read_second(&trial, noise2, text);
    if (e == OK) {
        *resumed = text[0] != 0;
        split(&trial, true, keys);
        noise_deinit(n);
    }
    noise_deinit(&trial);
    return e;
}
