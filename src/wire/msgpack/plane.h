/* SPDX-License-Identifier: MIT
 *
 * Three protocols share a UDP port. A datagram of the DHT is a msgpack map, one
 * of the tunnels an array, one of the mainline DHT a dictionary of bencode: the
 * first byte tells.
 */
#ifndef WARREN_WIRE_MSGPACK_PLANE_H
#define WARREN_WIRE_MSGPACK_PLANE_H

#include "base/bytes.h"

enum plane {
    PLANE_DHT,
    PLANE_TUNNEL,
    PLANE_MAINLINE,
    PLANE_FOREIGN, /* none of these: uTP, answers of trackers, ... */
    PLANE_EMPTY
};

static inline enum plane plane_of(struct bytes datagram)
{
    uint8_t first;

    if (datagram.len == 0)
        return PLANE_EMPTY;
    first = datagram.p[0];
    if ((first & 0xf0) == 0x80 || first == 0xde || first == 0xdf)
        return PLANE_DHT;
    if ((first & 0xf0) == 0x90 || first == 0xdc || first == 0xdd)
        return PLANE_TUNNEL;
    return first == 'd' ? PLANE_MAINLINE : PLANE_FOREIGN;
}

#endif
