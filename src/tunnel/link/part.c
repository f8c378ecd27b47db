/* SPDX-License-Identifier: MIT
 *
 * Cutting a large cell in two, and putting it together again. Who receives
 * keeps the half that came first until the other comes or newer ones need the
 * place; what was put together wrongly, by a liar on the path, fails to open
 * as a cell does that was changed.
 */
#include "tunnel/link/part.h"

#include <string.h>

#define INDEX_OFFSET   3
#define COUNTER_OFFSET 8
#define HALF_OFFSET    16

/* A part's header with its index, counter and half zero. */
static const uint8_t layout[PART_OFFSET] = {
    [0] = 0x95,
    [1] = PART_KIND,
    [2] = 0xce,
    [7] = 0xcf,
    [17] = 0xc5,
    [18] = PART_HALF >> 8,
    [19] = PART_HALF & 0xff,
};

_Static_assert(2 * PART_HALF == CELL_LARGE, "two halves are a cell");
_Static_assert(PART_HALF > UINT8_MAX, "a half is a bin 16");

static bool has_layout(const uint8_t *p)
{
    return p[0] == layout[0] && p[1] == layout[1] && p[2] == layout[2] &&
           p[7] == layout[7] && p[HALF_OFFSET] <= 1 &&
           memcmp(p + 17, layout + 17, PART_OFFSET - 17) == 0;
}

enum error part_read(struct bytes datagram, struct part *out)
{
    if (datagram.len != PART_BYTES)
        return ERR_WRONG_LENGTH;
    if (!has_layout(datagram.p))
        return ERR_NOT_MSGPACK;
    out->session = (uint32_t)bytes_get_number(datagram.p + INDEX_OFFSET, 4);
    out->counter = bytes_get_number(datagram.p + COUNTER_OFFSET, 8);
    out->half = datagram.p[HALF_OFFSET];
    out->bytes = datagram.p + PART_OFFSET;
    return OK;
}

void part_write(uint8_t out[PART_BYTES], const uint8_t cell[CELL_LARGE],
                unsigned half)
{
    size_t same = HALF_OFFSET - 2; /* index and counter lie where a cell's do */

    memcpy(out, layout, sizeof(layout));
    memcpy(out + 2, cell + 2, same);
    out[HALF_OFFSET] = (uint8_t)half;
    memcpy(out + PART_OFFSET, cell + half * PART_HALF, PART_HALF);
}

bool parts_join(struct parts *parts, const struct part *p,
                uint8_t cell[CELL_LARGE])
{
    unsigned i;

    for (i = 0; i < PARTS_WAITING; i++) {
        if (parts->waiting[i].waits &&
            parts->waiting[i].session == p->session &&
            parts->waiting[i].counter == p->counter)
            break;
    }
    if (i < PARTS_WAITING && parts->waiting[i].half != p->half) {
        memcpy(cell + p->half * PART_HALF, p->bytes, PART_HALF);
        memcpy(cell + parts->waiting[i].half * PART_HALF,
               parts->waiting[i].bytes, PART_HALF);
        parts->waiting[i].waits = false;
        return true;
    }
    if (i == PARTS_WAITING)
        i = parts->next++ % PARTS_WAITING;
    parts->waiting[i].waits = true;
    parts->waiting[i].half = p->half;
    parts->waiting[i].session = p->session;
    parts->waiting[i].counter = p->counter;
    memcpy(parts->waiting[i].bytes, p->bytes, PART_HALF);
    return false;
}
