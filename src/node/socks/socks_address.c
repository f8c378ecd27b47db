/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_address.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define TYPE_IPV4 1
#define TYPE_NAME 3
#define TYPE_IPV6 4
#define PORT_LEN  2

/* ---- Names ---- */

static bool is_name(struct bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (host.p[i] <= ' ' || host.p[i] == 0x7f ||
            memchr(":[]", host.p[i], 3) != NULL)
            return false;
    }
    return true;
}

enum error socks_address_set(struct socks_address *out, struct bytes host,
                             uint16_t port)
{
    struct socks_address a = {.name_len = 0};

    if (host.len == 0 || host.len > SOCKS_NAME_MAX ||
        memchr(host.p, '\0', host.len) != NULL)
        return ERR_SYNTAX;
    memcpy(a.name, host.p, host.len);
    if (endpoint_parse_addr(a.name, &a.ep) == OK)
        memset(a.name, 0, sizeof(a.name));
    else if (is_name(host))
        a.name_len = (uint8_t)host.len;
    else
        return ERR_SYNTAX;
    a.ep.port = port;
    *out = a;
    return OK;
}

/* ---- Bytes ---- */

size_t socks_address_length(struct bytes in)
{
    if (in.len == 0)
        return 1;
    switch (in.p[0]) {
    case TYPE_IPV4:
        return 1 + 4 + PORT_LEN;
    case TYPE_IPV6:
        return 1 + 16 + PORT_LEN;
    case TYPE_NAME:
        return in.len == 1 ? 2 : 2 + (size_t)in.p[1] + PORT_LEN;
    default:
        return 0;
    }
}

/* Programs that know IPv6 sockets only write IPv4 so (RFC 4291 §2.5.5.2). */
static bool is_mapped(struct bytes address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return address.len == 16 && memcmp(address.p, prefix, sizeof(prefix)) == 0;
}

static struct endpoint endpoint_of(struct bytes address, uint16_t port)
{
    struct endpoint ep = {.port = port, .family = FAMILY_IPV6};

    if (is_mapped(address))
        address = bytes_of(address.p + 12, 4);
    if (address.len == 4)
        ep.family = FAMILY_IPV4;
    memcpy(ep.addr, address.p, address.len);
    return ep;
}

enum error socks_address_read(struct bytes in, struct socks_address *out)
{
    uint16_t port;

    assert(in.len > PORT_LEN && in.len == socks_address_length(in));
    port = (uint16_t)bytes_get_number(in.p + in.len - PORT_LEN, PORT_LEN);
    if (in.p[0] == TYPE_NAME)
        return socks_address_set(out, bytes_of(in.p + 2, in.p[1]), port);
    memset(out, 0, sizeof(*out));
    out->ep = endpoint_of(bytes_of(in.p + 1, in.len - 1 - PORT_LEN), port);
    return OK;
}

size_t socks_address_write(const struct socks_address *a,
                           uint8_t out[SOCKS_ADDRESS_MAX])
{
    size_t len;

    if (a->name_len > 0) {
        out[0] = TYPE_NAME;
        out[1] = a->name_len;
        memcpy(out + 2, a->name, a->name_len);
        len = 2 + (size_t)a->name_len;
    } else {
        out[0] = a->ep.family == FAMILY_IPV4 ? TYPE_IPV4 : TYPE_IPV6;
        memcpy(out + 1, a->ep.addr, endpoint_addr_len(&a->ep));
        len = 1 + endpoint_addr_len(&a->ep);
    }
    bytes_put_number(out + len, PORT_LEN, a->ep.port);
    return len + PORT_LEN;
}

bool socks_address_is_service(const struct socks_address *a)
{
    static const char suffix[] = ".warren";
    size_t len = sizeof(suffix) - 1;

    return a->name_len > len &&
           strcasecmp(a->name + a->name_len - len, suffix) == 0;
}
