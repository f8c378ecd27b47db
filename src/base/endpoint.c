/* SPDX-License-Identifier: MIT
 *
 * Text is read and written by inet_pton and inet_ntop; only brackets and port
 * are ours. What kind of address it is follows from lists of prefixes taken
 * from the registries of IANA. IPv4 addresses are filled up with zeros, so that
 * both families are compared as 16 bytes.
 */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0,    0,
                                          0, 0, 0, 0, 0xff, 0xff};

size_t endpoint_addr_len(const struct endpoint *ep)
{
    return ep->family == FAMILY_IPV4 ? 4 : 16;
}

size_t endpoint_compact_len(const struct endpoint *ep)
{
    return endpoint_addr_len(ep) + 2;
}

static void from_addr4(struct endpoint *ep, const uint8_t *addr)
{
    *ep = (struct endpoint){.family = FAMILY_IPV4};
    memcpy(ep->addr, addr, 4);
}

static bool is_mapped(const uint8_t *addr)
{
    return memcmp(addr, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static enum error parse_addr(const char *text, size_t len, bool want_v6,
                             struct endpoint *out)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t addr[16];

    if (len >= sizeof(copy))
        return ERR_SYNTAX;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (!want_v6) {
        if (inet_pton(AF_INET, copy, addr) != 1)
            return ERR_SYNTAX;
        from_addr4(out, addr);
        return OK;
    }
    if (inet_pton(AF_INET6, copy, addr) != 1)
        return ERR_SYNTAX;
    if (is_mapped(addr)) {
        from_addr4(out, addr + 12);
        return OK;
    }
    *out = (struct endpoint){.family = FAMILY_IPV6};
    memcpy(out->addr, addr, 16);
    return OK;
}

static enum error parse_port(const char *text, uint16_t *out)
{
    unsigned long port;
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return ERR_SYNTAX;
    port = strtoul(text, &end, 10);
    if (*end != '\0' || end - text > 5 || port > UINT16_MAX)
        return ERR_SYNTAX;
    *out = (uint16_t)port;
    return OK;
}

enum error endpoint_parse(const char *text, struct endpoint *out)
{
    bool v6 = text[0] == '[';
    const char *end = v6 ? strchr(text, ']') : strchr(text, ':');
    struct endpoint ep;
    uint16_t port;

    if (end == NULL || (v6 && end[1] != ':'))
        return ERR_SYNTAX;
    text += v6;
    if (parse_addr(text, (size_t)(end - text), v6, &ep) != OK ||
        parse_port(end + (v6 ? 2 : 1), &port) != OK)
        return ERR_SYNTAX;
    ep.port = port;
    *out = ep;
    return OK;
}

enum error endpoint_parse_addr(const char *text, struct endpoint *out)
{
    size_t len = strlen(text);

    if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
        return parse_addr(text + 1, len - 2, true, out);
    return parse_addr(text, len, strchr(text, ':') != NULL, out);
}

const char *endpoint_print_addr(const struct endpoint *ep,
                                char text[ENDPOINT_TEXT_SIZE])
{
    int af = ep->family == FAMILY_IPV4 ? AF_INET : AF_INET6;
    const char *r = inet_ntop(af, ep->addr, text, ENDPOINT_TEXT_SIZE);

    assert(r != NULL);
    return r;
}

const char *endpoint_print(const struct endpoint *ep,
                           char text[ENDPOINT_TEXT_SIZE])
{
    char addr[ENDPOINT_TEXT_SIZE];

    endpoint_print_addr(ep, addr);
    snprintf(text, ENDPOINT_TEXT_SIZE,
             ep->family == FAMILY_IPV4 ? "%.46s:%u" : "[%.46s]:%u", addr,
             ep->port);
    return text;
}

/* Runs for every peer of every answer: the lengths are constants, so that no
 * memcpy is called. */
size_t endpoint_write_compact(const struct endpoint *ep,
                              uint8_t out[ENDPOINT_COMPACT_MAX])
{
    size_t n;

    if (ep->family == FAMILY_IPV4)
        memcpy(out, ep->addr, n = 4);
    else
        memcpy(out, ep->addr, n = 16);
    out[n] = (uint8_t)(ep->port >> 8);
    out[n + 1] = (uint8_t)ep->port;
    return n + 2;
}

enum error endpoint_read_compact(struct bytes in, struct endpoint *out)
{
    size_t n;

    if (in.len != 6 && in.len != 18)
        return ERR_WRONG_LENGTH;
    n = in.len - 2;
    *out = (struct endpoint){.family = n == 4 ? FAMILY_IPV4 : FAMILY_IPV6};
    memcpy(out->addr, in.p, n);
    out->port = (uint16_t)(in.p[n] << 8 | in.p[n + 1]);
    return OK;
}

/* The first `bits` of two addresses, of 16 bytes each, are the same. In words
 * and not by memcmp: lookups ask this many times for each node named. */
static bool same_bits(const uint8_t *a, const uint8_t *b, int bits)
{
    uint64_t diff = bytes_get_number64(a) ^ bytes_get_number64(b);

    if (bits > 64) {
        if (diff != 0)
            return false;
        diff = bytes_get_number64(a + 8) ^ bytes_get_number64(b + 8);
        bits -= 64;
    }
    return bits == 0 || diff >> (64 - bits) == 0;
}

bool endpoint_same_prefix(const struct endpoint *a, const struct endpoint *b,
                          int bits)
{
    assert(bits >= 0 && (size_t)bits <= 8 * endpoint_addr_len(a));
    return a->family == b->family && same_bits(a->addr, b->addr, bits);
}

struct prefix {
    uint8_t addr[16];
    int bits;
};

static bool in_any(const uint8_t *addr, const struct prefix *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (same_bits(addr, list[i].addr, list[i].bits))
            return true;
    }
    return false;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* IANA IPv4 Special-Purpose Address Registry, but for the blocks that it calls
 * globally reachable; multicast and class E. */
static const struct prefix special4[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private, RFC 1918 */
    {{100, 64}, 10},      /* shared, RFC 6598 */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* IETF protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* 6to4 relay anycast, deprecated */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarking */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 3},           /* multicast, reserved, broadcast */
};

/* Global unicast is 2000::/3 (RFC 4291) without these. */
static const struct prefix special6[] = {
    {{0x20, 0x01, 0, 0}, 23},       /* IETF, with Teredo and ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff}, 20},             /* documentation, RFC 9637 */
};
static const struct prefix global6 = {{0x20}, 3};

/* Whether any of special4 begins with this byte: most addresses are done with
 * by that. A new row up there may want a case here. */
static bool may_be_special4(uint8_t first)
{
    switch (first) {
    case 0:
    case 10:
    case 100:
    case 127:
    case 169:
    case 172:
    case 192:
    case 198:
    case 203:
        return true;
    default:
        return first >= 224;
    }
}

bool endpoint_is_global(const struct endpoint *ep)
{
    if (ep->family == FAMILY_IPV4)
        return !may_be_special4(ep->addr[0]) ||
               !in_any(ep->addr, special4, COUNT(special4));
    return same_bits(ep->addr, global6.addr, global6.bits) &&
           !in_any(ep->addr, special6, COUNT(special6));
}

bool endpoint_is_wildcard(const struct endpoint *ep)
{
    struct endpoint any = {.family = ep->family};

    return endpoint_same_addr(ep, &any);
}

bool endpoint_is_loopback(const struct endpoint *ep)
{
    static const uint8_t loopback6[16] = {[15] = 1};

    if (ep->family == FAMILY_IPV4)
        return ep->addr[0] == 127;
    return memcmp(ep->addr, loopback6, 16) == 0;
}

bool endpoint_is_usable(const struct endpoint *ep)
{
    static const uint8_t zero[16];

    if (ep->port == 0 || memcmp(ep->addr, zero, 16) == 0)
        return false;
    if (ep->family == FAMILY_IPV4)
        return ep->addr[0] != 0 && ep->addr[0] < 224;
    return ep->addr[0] != 0xff && !is_mapped(ep->addr);
}
