/* SPDX-License-Identifier: MIT
 */
#include "node/service/destination.h"

#include "tunnel/record/address.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PEER_DIGITS 19 /* so that no number overflows */
#define PORT_DIGITS 5

/* Digits alone, at most `most` of them. */
static bool read_number(struct bytes text, size_t most, uint64_t *out)
{
    uint64_t n = 0;

    if (text.len == 0 || text.len > most)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = 10 * n + (uint64_t)(text.p[i] - '0');
    }
    *out = n;
    return true;
}

/* Takes ":PORT" off the end. False when there is a colon and no port. */
static bool take_port(struct bytes *text, bool *has_port, uint16_t *port)
{
    const uint8_t *colon = text->len == 0 ? NULL
                                          : memrchr(text->p, ':', text->len);
    struct bytes digits;
    uint64_t n;

    *has_port = colon != NULL;
    *port = 0;
    if (colon == NULL)
        return true;
    digits = bytes_of(colon + 1, text->len - (size_t)(colon + 1 - text->p));
    if (!read_number(digits, PORT_DIGITS, &n) || n > UINT16_MAX)
        return false;
    *port = (uint16_t)n;
    text->len = (size_t)(colon - text->p);
    return true;
}

/* 0 for anything but "p17.peer.warren". */
static uint64_t read_peer(struct bytes text)
{
    static const char ending[] = ".peer" ADDRESS_SUFFIX;
    size_t len = sizeof(ending) - 1;
    uint64_t peer;

    if (text.len <= len + 1 || text.p[0] != 'p' ||
        memcmp(text.p + text.len - len, ending, len) != 0 ||
        !read_number(bytes_of(text.p + 1, text.len - len - 1), PEER_DIGITS,
                     &peer))
        return 0;
    return peer;
}

bool service_destination_read(struct bytes text,
                              struct service_destination *out)
{
    bool has_port;

    if (!take_port(&text, &has_port, &out->port))
        return false;
    out->peer = read_peer(text);
    out->address = text;
    return out->peer != 0 || (has_port && address_is(text));
}

const char *service_peer_text(uint64_t peer, char text[SERVICE_PEER_TEXT])
{
    snprintf(text, SERVICE_PEER_TEXT, "p%" PRIu64 ".peer" ADDRESS_SUFFIX, peer);
    return text;
}
