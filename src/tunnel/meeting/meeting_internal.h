/* SPDX-License-Identifier: MIT
 *
 * The room as its own files see it; nobody else includes it. What each keeps
 * with a circuit is behind a pointer, made when it is first needed.
 */
#ifndef WARREN_TUNNEL_MEETING_MEETING_INTERNAL_H
#define WARREN_TUNNEL_MEETING_MEETING_INTERNAL_H

#include "base/limiter.h"
#include "base/table/keyed_table.h"
#include "base/table/slot_table.h"
#include "base/timestamp.h"
#include "tunnel/meeting/meeting.h"
#include "tunnel/meeting/places.h"
#include "tunnel/transit/transit.h"

struct errand;
struct errand_account;
struct introduce;
struct introduction;
struct rendezvous;
struct topic;

struct meeting_circuit {
    struct transit *relay;
    bool of_service;                /* for good */
    struct introduction *point;     /* that it stands for; else NULL */
    struct rendezvous *rendezvous;  /* it waits, or is joined */
    struct introduce *introduce;    /* its one INTRODUCE */
    struct errand_account *account; /* what it had looked up */
};

struct meeting {
    struct meeting_config config;
    struct meeting_env env;
    uint8_t secret[SOURCE_KEY_BYTES]; /* what was said is remembered under it */
    uint64_t wall;                    /* as of the last call */
    uint64_t deadline;

    struct places points;           /* introduction.place */
    struct keyed_table point_by_id; /* introduction.by_id */
    struct slot_table waiting;      /* INTRODUCEs without a result */
    struct token_rate introduce_rate;
    struct token_bucket introduce_bucket;

    struct places cookies; /* rendezvous.place */
    struct keyed_table by_cookie;

    struct places topics; /* topic.place */
    struct keyed_table topic_by_name;
    uint64_t next_serial; /* of topics and errands */
    unsigned entries;

    struct errand *errands; /* a list */
    unsigned errand_count;
    struct limiter lookups;
    struct limiter verify;

    struct meeting_stats stats;
};

/* ---- meeting.c --------------------------------------------------------- */

void meeting_say(struct meeting *m, struct meeting_circuit *c,
                 const struct meeting_message *answer, uint64_t now);
/* Whether its line may have one more signature checked. */
bool meeting_may_verify(struct meeting *m, const struct meeting_circuit *c,
                        uint64_t now);
/* A number for what was said, to know it again. */
uint64_t meeting_mark(const struct meeting *m, struct bytes text);
/* The next tick is at `at` or earlier. */
void meeting_wake(struct meeting *m, uint64_t at);

/* Nothing that makes it one of the three kinds. */
static inline bool circuit_is_fresh(const struct meeting_circuit *c)
{
    return !c->of_service && c->rendezvous == NULL && c->introduce == NULL &&
           c->account == NULL;
}

#endif
