/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_packet.h"

#include <string.h>

#define UDP       17
#define UDP_HEAD  8
#define IPV4_HEAD 20
#define IPV6_HEAD 40
#define HOP_LIMIT 64

/* The sum of RFC 1071, not folded. */
static uint64_t sum(uint64_t so_far, struct bytes b)
{
    for (size_t i = 0; i + 1 < b.len; i += 2)
        so_far += bytes_get_number(b.p + i, 2);
    if (b.len % 2 == 1)
        so_far += (uint64_t)b.p[b.len - 1] << 8;
    return so_far;
}

static uint16_t fold(uint64_t sum)
{
    while (sum > UINT16_MAX)
        sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)~sum;
}

static void write_udp(const struct endpoint *from, const struct endpoint *to,
                      struct bytes payload, uint8_t *out)
{
    size_t len = UDP_HEAD + payload.len, addr = endpoint_addr_len(from);
    uint64_t pseudo = (uint64_t)UDP + len;
    uint16_t check;

    bytes_put_number(out, 2, from->port);
    bytes_put_number(out + 2, 2, to->port);
    bytes_put_number(out + 4, 2, len);
    bytes_put_number(out + 6, 2, 0);
    if (payload.len > 0)
        memcpy(out + UDP_HEAD, payload.p, payload.len);
    pseudo = sum(pseudo, bytes_of(from->addr, addr));
    pseudo = sum(pseudo, bytes_of(to->addr, addr));
    check = fold(sum(pseudo, bytes_of(out, len)));
    bytes_put_number(out + 6, 2, check == 0 ? UINT16_MAX : check);
}

size_t exec_packet_write(const struct endpoint *from, const struct endpoint *to,
                         struct bytes payload, uint8_t out[EXEC_PACKET_MAX])
{
    size_t head = from->family == FAMILY_IPV4 ? IPV4_HEAD : IPV6_HEAD;
    size_t len = head + UDP_HEAD + payload.len;

    if (from->family != to->family || len > EXEC_PACKET_MAX)
        return 0;
    memset(out, 0, head);
    if (from->family == FAMILY_IPV4) {
        out[0] = 0x45;
        bytes_put_number(out + 2, 2, len);
        out[8] = HOP_LIMIT;
        out[9] = UDP;
        memcpy(out + 12, from->addr, 4);
        memcpy(out + 16, to->addr, 4);
    } else {
        out[0] = 0x60;
        bytes_put_number(out + 4, 2, len - head);
        out[6] = UDP;
        out[7] = HOP_LIMIT;
        memcpy(out + 8, from->addr, 16);
        memcpy(out + 24, to->addr, 16);
    }
    write_udp(from, to, payload, out + head);
    return len;
}
