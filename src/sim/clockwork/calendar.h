/* SPDX-License-Identifier: MIT
 *
 * What happens when: a calendar queue (Brown, 1988) of records in the order in
 * which they were added, one day's beside each other. A day is a power of two
 * of ticks; days that are too far ahead for the ring share one list that is
 * looked through again every half turn. Adding is O(1) and touches the end of
 * one chunk; what lies in a day is sorted by who works it off. There is no
 * removing: a record that has lost its meaning is known by that.
 *
 * One thread may add while another takes the records of the day that all are
 * at, as long as nothing is added to that day.
 */
#ifndef WARREN_SIM_CLOCKWORK_CALENDAR_H
#define WARREN_SIM_CLOCKWORK_CALENDAR_H

#include "sim/clockwork/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_CALENDAR_DAYS 4096
/* Ticks before which everything happens; microseconds would last 285 years. */
#define SIM_CALENDAR_HORIZON (UINT64_C(1) << 53)

/* What each record begins with. */
struct sim_record {
    uint64_t tick;
    uint32_t node;
    uint32_t size; /* bytes of the whole, a multiple of 8 */
};

struct sim_calendar {
    unsigned shift;                            /* log2 of the ticks in a day */
    uint64_t today;                            /* tick >> shift of now */
    uint64_t occupied[SIM_CALENDAR_DAYS / 64]; /* one bit a day */
    struct sim_chunks days[SIM_CALENDAR_DAYS];
    struct sim_chunks far;
    uint64_t far_first; /* the first day in it; UINT64_MAX: empty */
};

/* What is zero, or had everything taken: of 64 KB only what is used is ever
 * touched. */
void sim_calendar_init(struct sim_calendar *c, unsigned shift, uint64_t now);

/* A record of `size` bytes to be filled behind its head, in a chunk of `p`,
 * which has room for it; `tick` is not before today. NULL when memory is out.
 */
void *sim_calendar_add(struct sim_calendar *c, struct sim_pool *p,
                       uint64_t tick, uint32_t node, size_t size);

/* The first day that may have records; UINT64_MAX: none has. */
uint64_t sim_calendar_next(const struct sim_calendar *c);

/* Makes `day` today. No record may be left in the days before. */
void sim_calendar_go(struct sim_calendar *c, struct sim_pool *p, uint64_t day);

/* Moves out what today has so far. It counts as having records until
 * sim_calendar_done. */
struct sim_chunks sim_calendar_take(struct sim_calendar *c);
void sim_calendar_done(struct sim_calendar *c);

/* Moves out everything, of all days. */
struct sim_chunks sim_calendar_take_all(struct sim_calendar *c);

/* ---- Records of a list of chunks ----------------------------------------- */

struct sim_reader {
    struct sim_chunk *chunk;
    uint32_t at;
};

/* The next one, NULL at the end. Begins as {list.first, 0}. */
static inline struct sim_record *sim_reader_next(struct sim_reader *r)
{
    struct sim_record *record;

    while (r->chunk != NULL && r->at == r->chunk->used) {
        r->chunk = r->chunk->next;
        r->at = 0;
    }
    if (r->chunk == NULL)
        return NULL;
    record = (struct sim_record *)(void *)(r->chunk->data + r->at);
    r->at += record->size;
    return record;
}

#endif
