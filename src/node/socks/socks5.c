/* SPDX-License-Identifier: MIT
 *
 * SOCKS5: methods (RFC 1928 §3), user and password (RFC 1929), request and
 * reply (RFC 1928 §4, §6), with tor's commands RESOLVE and RESOLVE_PTR.
 */
#include "node/socks/socks_internal.h"

#include <string.h>

#define VERSION          5
#define PASSWORD_VERSION 1 /* of RFC 1929 */

#define METHOD_NONE     0x00
#define METHOD_PASSWORD 0x02
#define METHOD_NO_OTHER 0xff

#define COMMAND_CONNECT   0x01
#define COMMAND_ASSOCIATE 0x03
#define COMMAND_RESOLVE   0xf0
#define COMMAND_REVERSE   0xf1

#define HEAD_LEN 3 /* version, command, reserved */

/* Users whose names begin so mean more than isolation (tor's proposal 351):
 * one that is not understood is refused. Format 0 without more is isolation. */
#define RESERVED_PREFIX "<torS0X>"
#define RESERVED_KNOWN  "<torS0X>0"

/* ---- Methods ---- */

size_t socks5_methods_length(const struct socks_handshake *h)
{
    return h->have < 2 ? 2 : 2 + (size_t)h->in[1];
}

static bool offers(const struct socks_handshake *h, uint8_t method)
{
    return memchr(h->in + 2, method, h->in[1]) != NULL;
}

/* A password before nothing: it is what isolates. */
void socks5_methods(struct socks_handshake *h)
{
    uint8_t said[2] = {VERSION, METHOD_NO_OTHER};

    if (offers(h, METHOD_PASSWORD)) {
        said[1] = METHOD_PASSWORD;
        h->step = STEP_SOCKS5_PASSWORD;
    } else if (offers(h, METHOD_NONE)) {
        said[1] = METHOD_NONE;
        h->step = STEP_SOCKS5_REQUEST;
    } else {
        h->state = SOCKS_OVER;
    }
    handshake_say(h, bytes_of(said, sizeof(said)));
}

/* ---- User and password ---- */

size_t socks5_password_length(const struct socks_handshake *h)
{
    size_t user;

    if (h->have == 0)
        return 1;
    if (h->in[0] != PASSWORD_VERSION)
        return h->have;
    if (h->have < 2)
        return 2;
    user = h->in[1];
    return h->have < 3 + user ? 3 + user : 3 + user + h->in[2 + user];
}

static bool is_refused(struct bytes user)
{
    size_t len = strlen(RESERVED_PREFIX);

    return user.len >= len && memcmp(user.p, RESERVED_PREFIX, len) == 0 &&
           !bytes_is_text(user, RESERVED_KNOWN);
}

void socks5_password(struct socks_handshake *h)
{
    uint8_t said[2] = {PASSWORD_VERSION, 0};
    struct bytes user = bytes_of(h->in + 2, h->in[1]);

    if (h->in[0] != PASSWORD_VERSION || is_refused(user)) {
        said[1] = 1;
        h->state = SOCKS_OVER;
    } else {
        handshake_isolate(h, user,
                          bytes_of(user.p + user.len + 1, user.p[user.len]));
        h->step = STEP_SOCKS5_REQUEST;
    }
    handshake_say(h, bytes_of(said, sizeof(said)));
}

/* ---- Request ---- */

static bool read_command(uint8_t byte, enum socks_command *out)
{
    switch (byte) {
    case COMMAND_CONNECT:
        *out = SOCKS_CONNECT;
        return true;
    case COMMAND_ASSOCIATE:
        *out = SOCKS_ASSOCIATE;
        return true;
    case COMMAND_RESOLVE:
        *out = SOCKS_RESOLVE;
        return true;
    case COMMAND_REVERSE:
        *out = SOCKS_REVERSE;
        return true;
    default:
        return false;
    }
}

/* What is wrong with the first bytes, up to and with the address type. */
static enum socks5_code check_head(const struct socks_handshake *h)
{
    enum socks_command command;

    if (h->in[0] != VERSION || h->in[2] != 0)
        return SOCKS5_FAILED;
    if (!read_command(h->in[1], &command))
        return SOCKS5_NO_COMMAND;
    if (socks_address_length(bytes_of(h->in + HEAD_LEN, 1)) == 0)
        return SOCKS5_NO_ADDRESS_TYPE;
    return SOCKS5_DONE;
}

size_t socks5_request_length(const struct socks_handshake *h)
{
    if (h->have < HEAD_LEN + 1)
        return HEAD_LEN + 1;
    if (check_head(h) != SOCKS5_DONE)
        return h->have;
    return HEAD_LEN + socks_address_length(bytes_of(
                          h->in + HEAD_LEN, (size_t)h->have - HEAD_LEN));
}

/* Where datagrams come from is no name that this machine would look up: the
 * client is the one at the other end of the connection. */
static void forget_name(struct socks_address *a)
{
    *a = (struct socks_address){.ep = {.port = a->ep.port}};
}

static enum socks5_code read_request(const struct socks_handshake *h,
                                     struct socks_request *out)
{
    struct bytes in = handshake_in(h);
    enum socks5_code code = check_head(h);

    if (code != SOCKS5_DONE)
        return code;
    read_command(h->in[1], &out->command);
    in = bytes_of(in.p + HEAD_LEN, in.len - HEAD_LEN);
    if (socks_address_read(in, &out->to) != OK)
        return SOCKS5_FAILED;
    if (out->command == SOCKS_REVERSE && out->to.name_len > 0)
        return SOCKS5_NO_ADDRESS_TYPE;
    if (out->command == SOCKS_ASSOCIATE && out->to.name_len > 0)
        forget_name(&out->to);
    return SOCKS5_DONE;
}

void socks5_request(struct socks_handshake *h)
{
    enum socks5_code code = read_request(h, &h->request);

    if (code == SOCKS5_DONE) {
        handshake_ask(h);
    } else {
        h->state = SOCKS_OVER;
        socks5_answer(h, code, NULL);
    }
}

/* ---- Reply ---- */

void socks5_answer(struct socks_handshake *h, enum socks5_code code,
                   const struct socks_address *at)
{
    static const struct socks_address nowhere;
    uint8_t said[HEAD_LEN + SOCKS_ADDRESS_MAX] = {VERSION, (uint8_t)code};
    size_t len =
        socks_address_write(at == NULL ? &nowhere : at, said + HEAD_LEN);

    handshake_say(h, bytes_of(said, HEAD_LEN + len));
}
