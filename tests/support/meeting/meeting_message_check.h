/* SPDX-License-Identifier: MIT
 *
 * When are two messages about services the same? When they are written alike:
 * there is one way to write each.
 */
#ifndef WARREN_TESTS_MEETING_MESSAGE_CHECK_H
#define WARREN_TESTS_MEETING_MESSAGE_CHECK_H

#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"
#include "tunnel/meeting/meeting_message.h"

#include <string.h>

/* Bytes of the text of this cell size. */
static inline size_t meeting_text_len(size_t cell)
{
    return onion_message_len(cell - CELL_BODY_OFFSET);
}

/* The message in a text of its length, padded. Returns that, 0 when it does not
 * fit. */
static inline size_t meeting_text(const struct meeting_message *m,
                                  uint8_t text[CELL_MAX])
{
    size_t cap = meeting_text_len(meeting_message_cell(m->type)), len;

    memset(text, 0, CELL_MAX);
    return meeting_message_write(m, text, cap, &len) == OK ? cap : 0;
}

static inline bool meeting_message_equal(const struct meeting_message *a,
                                         const struct meeting_message *b)
{
    uint8_t x[CELL_MAX], y[CELL_MAX];
    size_t len = meeting_text(a, x);

    return len > 0 && a->type == b->type && meeting_text(b, y) == len &&
           memcmp(x, y, len) == 0;
}

#endif
