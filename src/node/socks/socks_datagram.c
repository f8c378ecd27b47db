/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_datagram.h"

#include <string.h>

#define FIXED 3 /* bytes before the address */

enum error socks_datagram_read(struct bytes in, struct socks_address *to,
                               struct bytes *data)
{
    struct socks_address a;
    struct bytes rest;
    size_t len;
    enum error e;

    if (in.len < FIXED)
        return ERR_MISSING;
    if (in.p[0] != 0 || in.p[1] != 0)
        return ERR_RANGE;
    if (in.p[2] != 0)
        return ERR_UNSUPPORTED;
    rest = bytes_of(in.p + FIXED, in.len - FIXED);
    len = socks_address_length(rest);
    if (len == 0)
        return ERR_UNKNOWN_KIND;
    if (len > rest.len)
        return ERR_MISSING;
    e = socks_address_read(bytes_of(rest.p, len), &a);
    if (e != OK)
        return e;
    if (a.ep.port == 0)
        return ERR_ADDRESS;
    *to = a;
    *data = bytes_of(rest.p + len, rest.len - len);
    return OK;
}

size_t socks_datagram_write(const struct socks_address *from, struct bytes data,
                            uint8_t *out, size_t cap)
{
    uint8_t head[SOCKS_DATAGRAM_HEAD_MAX] = {0};
    size_t len = FIXED + socks_address_write(from, head + FIXED);

    if (cap < len || cap - len < data.len)
        return 0;
    memcpy(out, head, len);
    if (data.len > 0)
        memcpy(out + len, data.p, data.len);
    return len + data.len;
}
