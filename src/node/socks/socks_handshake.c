/* SPDX-License-Identifier: MIT
 *
 * Bytes are taken one message at a time, by the table of steps, so that what
 * stands behind the last one is never touched. A message is wiped once it has
 * been acted on: it may have a password in it.
 */
#include "node/socks/socks_handshake.h"

#include "node/socks/socks_internal.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static size_t first_length(const struct socks_handshake *h);
static void first(struct socks_handshake *h);

static const struct {
    size_t (*length)(const struct socks_handshake *h);
    void (*act)(struct socks_handshake *h);
} steps[STEP_END_] = {
    [STEP_FIRST] = {first_length, first},
    [STEP_SOCKS5_METHODS] = {socks5_methods_length, socks5_methods},
    [STEP_SOCKS5_PASSWORD] = {socks5_password_length, socks5_password},
    [STEP_SOCKS5_REQUEST] = {socks5_request_length, socks5_request},
    [STEP_SOCKS4_REQUEST] = {socks4_request_length, socks4_request},
    [STEP_SOCKS4_USER] = {socks4_text_length, socks4_user},
    [STEP_SOCKS4_NAME] = {socks4_text_length, socks4_name},
    [STEP_HTTP_REQUEST] = {http_line_length, http_request},
    [STEP_HTTP_HEADER] = {http_line_length, http_header},
    [STEP_HTTP_REST] = {http_line_length, http_rest},
};

void socks_handshake_init(struct socks_handshake *h,
                          const uint8_t key[SOCKS_KEY_BYTES])
{
    memset(h, 0, sizeof(*h));
    h->key = key;
}

void socks_handshake_deinit(struct socks_handshake *h)
{
    sodium_memzero(h, sizeof(*h));
}

/* ---- In ---- */

static size_t first_length(const struct socks_handshake *h)
{
    (void)h;
    return 1;
}

static void first(struct socks_handshake *h)
{
    uint8_t byte = h->in[0];

    if (byte == 5) {
        h->request.protocol = SOCKS_V5;
        h->step = STEP_SOCKS5_METHODS;
    } else if (byte == 4) {
        h->request.protocol = SOCKS_V4;
        h->step = STEP_SOCKS4_REQUEST;
    } else if (byte >= 'A' && byte <= 'Z') {
        h->request.protocol = SOCKS_HTTP;
        h->step = STEP_HTTP_REQUEST;
    } else {
        h->state = SOCKS_OVER; /* in words of no protocol */
    }
}

/* Up to `want` bytes of the message, of which some are missing; false while
 * they still are. */
static bool take(struct socks_handshake *h, struct bytes *data, size_t want)
{
    size_t len = want - h->have < data->len ? want - h->have : data->len;

    assert(want <= SOCKS_IN_MAX);
    if (len == 0)
        return false;
    memcpy(h->in + h->have, data->p, len);
    h->have = (uint16_t)(h->have + len);
    *data = bytes_of(data->p + len, data->len - len);
    return h->have == want;
}

static void act(struct socks_handshake *h)
{
    bool stays = h->step == STEP_FIRST;

    steps[h->step].act(h);
    if (stays && h->state == SOCKS_READING)
        return;
    sodium_memzero(h->in, h->have);
    h->have = 0;
}

enum socks_state socks_handshake_receive(struct socks_handshake *h,
                                         struct bytes *data)
{
    while (h->state == SOCKS_READING) {
        size_t want = steps[h->step].length(h);

        if (want <= h->have)
            act(h);
        else if (!take(h, data, want))
            break;
    }
    if (h->state == SOCKS_OVER)
        *data = bytes_of(NULL, 0);
    return h->state;
}

void socks_isolation(const uint8_t key[SOCKS_KEY_BYTES], struct bytes user,
                     struct bytes password, uint8_t out[SOCKS_ISOLATION_BYTES])
{
    const uint8_t len[2] = {(uint8_t)(user.len >> 8), (uint8_t)user.len};
    crypto_generichash_state s;

    crypto_generichash_init(&s, key, SOCKS_KEY_BYTES, SOCKS_ISOLATION_BYTES);
    crypto_generichash_update(&s, len, sizeof(len));
    crypto_generichash_update(&s, user.p, user.len);
    crypto_generichash_update(&s, password.p, password.len);
    crypto_generichash_final(&s, out, SOCKS_ISOLATION_BYTES);
    sodium_memzero(&s, sizeof(s));
}

void handshake_isolate(struct socks_handshake *h, struct bytes user,
                       struct bytes password)
{
    if (user.len > 0 || password.len > 0)
        socks_isolation(h->key, user, password, h->request.isolation);
}

/* What can be answered without asking anybody is; a port that nobody listens
 * at is nowhere to go. */
void handshake_ask(struct socks_handshake *h)
{
    const struct socks_request *r = &h->request;

    h->state = SOCKS_ASKED;
    if (r->command == SOCKS_CONNECT && r->to.ep.port == 0) {
        socks_handshake_refuse(h, REASON_PROTOCOL);
    } else if (r->command == SOCKS_RESOLVE && r->to.name_len == 0) {
        struct endpoint itself = r->to.ep;

        socks_handshake_done(h, &itself);
    }
}

/* ---- Out ---- */

void handshake_say(struct socks_handshake *h, struct bytes text)
{
    assert(text.len <= (size_t)(SOCKS_OUT_MAX - h->out_end));
    memcpy(h->out + h->out_end, text.p, text.len);
    h->out_end = (uint16_t)(h->out_end + text.len);
}

static enum socks_state state_after(enum socks_command c)
{
    return c == SOCKS_CONNECT || c == SOCKS_ASSOCIATE ? SOCKS_OPEN : SOCKS_OVER;
}

void socks_handshake_done(struct socks_handshake *h, const struct endpoint *at)
{
    struct socks_address address = {.name_len = 0};

    assert(h->state == SOCKS_ASKED && h->request.command != SOCKS_REVERSE);
    assert(at != NULL || h->request.command == SOCKS_CONNECT);
    if (at != NULL)
        address.ep = *at;
    if (h->request.command == SOCKS_RESOLVE)
        address.ep.port = 0;
    h->state = state_after(h->request.command);
    switch (h->request.protocol) {
    case SOCKS_V5:
        socks5_answer(h, SOCKS5_DONE, &address);
        break;
    case SOCKS_V4:
    case SOCKS_V4A:
        socks4_done(h, &address.ep);
        break;
    case SOCKS_HTTP:
    case SOCKS_UNTOLD:
        http_done(h);
        break;
    }
}

void socks_handshake_named(struct socks_handshake *h, struct bytes name)
{
    struct socks_address address = {.name_len = (uint8_t)name.len};

    assert(h->state == SOCKS_ASKED && h->request.command == SOCKS_REVERSE);
    assert(name.len > 0 && name.len <= SOCKS_NAME_MAX);
    memcpy(address.name, name.p, name.len);
    socks5_answer(h, SOCKS5_DONE, &address);
    h->state = SOCKS_OVER;
}

void socks_handshake_refuse(struct socks_handshake *h, enum reason why)
{
    assert(h->state == SOCKS_ASKED);
    h->state = SOCKS_OVER;
    switch (h->request.protocol) {
    case SOCKS_V5:
        socks5_answer(h, socks5_code_of(why), NULL);
        break;
    case SOCKS_V4:
    case SOCKS_V4A:
        socks4_refuse(h);
        break;
    case SOCKS_HTTP:
    case SOCKS_UNTOLD:
        http_refuse(h, why);
        break;
    }
}

struct bytes socks_handshake_output(const struct socks_handshake *h)
{
    return bytes_of(h->out + h->out_begin, (size_t)(h->out_end - h->out_begin));
}

void socks_handshake_sent(struct socks_handshake *h, size_t len)
{
    assert(len <= (size_t)(h->out_end - h->out_begin));
    h->out_begin = (uint16_t)(h->out_begin + len);
    if (h->out_begin == h->out_end)
        h->out_begin = h->out_end = 0;
}
