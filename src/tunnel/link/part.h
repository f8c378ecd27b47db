/* SPDX-License-Identifier: MIT
 *
 * A large cell in two datagrams, for paths that lose long ones. Each half is
 * one msgpack array whose fields have fixed widths, as those of the cell:
 *
 *     offset  bytes      field
 *          0  95         array of 5
 *          1  08         kind: part
 *          2  ce + 4     session index, as in the cell
 *          7  cf + 8     counter, as in the cell
 *         16  00 or 01   which half
 *         17  c5 + 2     bytes of the cell: CELL_LARGE / 2
 *
 * Nothing of it is authentic: index and counter tell which halves belong
 * together, and the cell that they make is then read as any other.
 */
#ifndef WARREN_TUNNEL_LINK_PART_H
#define WARREN_TUNNEL_LINK_PART_H

#include "base/bytes.h"
#include "base/error.h"
#include "tunnel/link/cell.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PART_KIND   8
#define PART_OFFSET 20
#define PART_HALF   (CELL_LARGE / 2)
#define PART_BYTES  (PART_OFFSET + PART_HALF)

struct part {
    uint32_t session;
    uint64_t counter;
    unsigned half;
    const uint8_t *bytes; /* PART_HALF of them, in the datagram */
};

/* ERR_WRONG_LENGTH, ERR_NOT_MSGPACK. */
enum error part_read(struct bytes datagram, struct part *out);

/* Half 0 or 1 of a large cell, which has its index and counter. */
void part_write(uint8_t out[PART_BYTES], const uint8_t cell[CELL_LARGE],
                unsigned half);

/* Halves that wait for the other one; a few, since a path may change the
 * order of what it carries. All zero: none. */
#define PARTS_WAITING 4

struct parts {
    struct {
        bool waits;
        unsigned half;
        uint32_t session;
        uint64_t counter;
        uint8_t bytes[PART_HALF];
    } waiting[PARTS_WAITING];
    unsigned next; /* to be given up when a place is needed */
};

/* True when `p` completes a cell, which is then in `cell`. */
bool parts_join(struct parts *parts, const struct part *p,
                uint8_t cell[CELL_LARGE]);

#endif
