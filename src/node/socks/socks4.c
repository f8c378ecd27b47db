/* SPDX-License-Identifier: MIT
 *
 * SOCKS4 (Ying-Da Lee), 4a (names) and tor's RESOLVE:
 *
 *     1   version   4
 *     1   command   1 CONNECT, 0xf0 RESOLVE
 *     2   port
 *     4   address   0.0.0.x, x not 0: a name follows
 *     n   user, and a zero byte
 *     n   4a: name, and a zero byte
 *
 * The answer is 0, a code, port and address.
 */
#include "node/socks/socks_internal.h"

#include <string.h>

#define VERSION         4
#define COMMAND_CONNECT 0x01
#define COMMAND_RESOLVE 0xf0
#define FIXED           8   /* bytes of what comes first, and of the answer */
#define TEXT_MAX        256 /* with the zero byte */

static bool names_follow(const struct endpoint *ep)
{
    return bytes_get_number(ep->addr, 3) == 0 && ep->addr[3] != 0;
}

static bool is_known(uint8_t command)
{
    return command == COMMAND_CONNECT || command == COMMAND_RESOLVE;
}

size_t socks4_request_length(const struct socks_handshake *h)
{
    if (h->have < 2)
        return 2;
    return is_known(h->in[1]) ? FIXED : h->have;
}

void socks4_request(struct socks_handshake *h)
{
    struct socks_request *r = &h->request;

    if (!is_known(h->in[1])) {
        h->state = SOCKS_OVER;
        socks4_refuse(h);
        return;
    }
    r->command = h->in[1] == COMMAND_CONNECT ? SOCKS_CONNECT : SOCKS_RESOLVE;
    r->to.ep.port = (uint16_t)bytes_get_number(h->in + 2, 2);
    memcpy(r->to.ep.addr, h->in + 4, 4);
    h->step = STEP_SOCKS4_USER;
}

/* With the zero byte, or more than a text may have. */
size_t socks4_text_length(const struct socks_handshake *h)
{
    if (h->have == TEXT_MAX || (h->have > 0 && h->in[h->have - 1] == 0))
        return h->have;
    return h->have + 1u;
}

/* The text without its end; false when it has none. */
static bool read_text(const struct socks_handshake *h, struct bytes *out)
{
    *out = bytes_of(h->in, h->have - 1u);
    return h->in[out->len] == 0;
}

void socks4_user(struct socks_handshake *h)
{
    struct bytes user;

    if (!read_text(h, &user)) {
        h->state = SOCKS_OVER;
        socks4_refuse(h);
        return;
    }
    handshake_isolate(h, user, bytes_of(NULL, 0));
    if (names_follow(&h->request.to.ep)) {
        h->request.protocol = SOCKS_V4A;
        h->step = STEP_SOCKS4_NAME;
    } else {
        handshake_ask(h);
    }
}

void socks4_name(struct socks_handshake *h)
{
    struct socks_request *r = &h->request;
    struct bytes name;

    if (!read_text(h, &name) ||
        socks_address_set(&r->to, name, r->to.ep.port) != OK) {
        h->state = SOCKS_OVER;
        socks4_refuse(h);
        return;
    }
    handshake_ask(h);
}

/* ---- Answer ---- */

static void answer(struct socks_handshake *h, enum socks4_code code,
                   const struct endpoint *at)
{
    uint8_t said[FIXED] = {0, (uint8_t)code};

    if (at->family == FAMILY_IPV4) {
        bytes_put_number(said + 2, 2, at->port);
        memcpy(said + 4, at->addr, 4);
    }
    handshake_say(h, bytes_of(said, sizeof(said)));
}

/* Where the exit has connected from does not matter to the client, an address
 * that it has asked for does. */
void socks4_done(struct socks_handshake *h, const struct endpoint *at)
{
    if (h->request.command == SOCKS_RESOLVE && at->family == FAMILY_IPV6)
        socks4_refuse(h);
    else
        answer(h, SOCKS4_DONE, at);
}

void socks4_refuse(struct socks_handshake *h)
{
    static const struct endpoint nowhere;

    answer(h, SOCKS4_FAILED, &nowhere);
}
