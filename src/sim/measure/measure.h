/* SPDX-License-Identifier: MIT
 *
 * What is measured, over time and in total. Each measure has a row in
 * measure_table.c with its name, unit and meaning: the summary, the columns of
 * CSV files, JSON and their documentation follow from there.
 *
 * All is counted in integers, so that the order of adding changes nothing. Not
 * to be called from inside of an engine: what engines tell is kept with the
 * node and counted between two windows of the simulated network.
 *
 * Before measure_begin (the warm-up) everything is dropped.
 */
#ifndef WARREN_SIM_MEASURE_MEASURE_H
#define WARREN_SIM_MEASURE_MEASURE_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum measure_kind {
    MEASURE_COUNT,  /* how often something happened */
    MEASURE_LEVEL,  /* how much of it there is, when it is sampled */
    MEASURE_SHARE,  /* how many of how many */
    MEASURE_VALUES, /* a distribution */
    MEASURE_CURVE,  /* a share by what came before it (an age) */
    MEASURE_REASONS /* counts by reason (tunnel/circuit) */
};

/* What the integers of a measure are. */
enum measure_unit {
    UNIT_ONE,  /* a plain number */
    UNIT_TIME, /* ns; shown as seconds */
    UNIT_BYTES,
    UNIT_RATE,      /* a millionth a node and second; shown a node and second */
    UNIT_BYTE_RATE, /* the same of bytes */
    UNIT_MILLI      /* a thousandth; shown as a plain number */
};

enum measure {
    /* The network. */
    M_NODES,          /* LEVEL: that are there */
    M_DATAGRAMS,      /* COUNT: that were sent */
    M_BYTES,          /* COUNT: in them */
    M_LOST,           /* COUNT: of them */
    M_NODE_DATAGRAMS, /* LEVEL, RATE: datagrams a node and second */
    M_NODE_BYTES,     /* LEVEL, BYTE_RATE: bytes a node and second */
    /* The DHT. */
    M_LOOKUP_SUCCESS,   /* SHARE: that found what somebody had announced */
    M_LOOKUP_HOPS,      /* VALUES */
    M_LOOKUP_MESSAGES,  /* VALUES: queries of a lookup */
    M_LOOKUP_TIMEOUTS,  /* VALUES: of them, without an answer in time */
    M_LOOKUP_TIME,      /* VALUES, TIME: till its end */
    M_LOOKUP_FIRST,     /* VALUES, TIME: till the first value */
    M_CLOSEST_FOUND,    /* SHARE: of the true k closest to the target */
    M_LOOKUP_SEEN,      /* SHARE: that asked a hostile node */
    M_JOIN_TIME,        /* VALUES, TIME: till the table was first not empty */
    M_UPKEEP_BYTES,     /* LEVEL, BYTE_RATE: pings, find_nodes, answers */
    M_UPKEEP_DATAGRAMS, /* LEVEL, RATE: the same */
    M_TABLE_NODES,      /* LEVEL, MILLI: in a node's routing table, the mean */
    M_TABLE_STALE,      /* SHARE: of them, not there any more */
    M_PEER_FINDABLE,    /* CURVE: announced once, by its age in minutes */
    M_ITEM_SUCCESS,     /* SHARE: gets that got the newest */
    M_ITEM_TIME,        /* VALUES, TIME */
    M_ITEM_FINDABLE,    /* CURVE: put once, by its age in minutes */
    /* Tunnels. */
    M_CIRCUIT_BUILT,     /* SHARE: of those that were begun */
    M_CIRCUIT_TIME,      /* VALUES, TIME */
    M_CIRCUIT_FAILURES,  /* REASONS */
    M_CIRCUIT_BOTH_ENDS, /* SHARE: first and last hop hostile */
    M_CIRCUIT_FIRST,     /* SHARE: first hop hostile */
    M_GUARD_HOSTILE,     /* CURVE: clients whose guard has been hostile, by
                            minutes since they came */
    M_SECOND_KNOWN,      /* CURVE: services whose second hop the adversary has
                            come to know, by minutes */
    M_THIRD_KNOWN,       /* CURVE: the same of the third hop */
    M_VIEW,              /* SHARE: of the relays, known to a client */
    M_VIEW_HOSTILE,      /* SHARE: hostile, of those known to a client */
    M_DATAGRAM_ANSWERED, /* SHARE: of those sent through circuits */
    M_DATAGRAM_TIME,     /* VALUES, TIME: till the answer */
    M_SERVICE_CONNECTED, /* SHARE */
    M_SERVICE_TIME,      /* VALUES, TIME: till the channel is there */
    M_MEMBERS_FOUND,     /* SHARE: pairs of members of a string */
    M_MEMBER_TIME,       /* VALUES, TIME: till a member has met another */
    MEASURES
};

struct measure_row {
    const char *name; /* a column's: "lookup_hops" */
    enum measure_kind kind;
    enum measure_unit unit;
    const char *title;   /* of an axis: "hops of a lookup" */
    const char *meaning; /* a sentence */
};

extern const struct measure_row measure_rows[MEASURES];

/* ---- Counting ------------------------------------------------------------ */

struct measures;

/* NULL: no memory. `sample` is the time between two samples, ns. */
struct measures *measures_new(uint64_t sample);
void measures_free(struct measures *m);

/* From now on it counts. */
void measures_begin(struct measures *m, uint64_t now);
/* Ends a sample: a row of all measures since the last one. ERR_NO_MEMORY, also
 * of what was to be counted since: then something of it is missing. */
enum error measures_sample(struct measures *m, uint64_t now);

void measure_count(struct measures *m, enum measure what, uint64_t n);
/* The last one given in a sample is that sample's. */
void measure_level(struct measures *m, enum measure what, uint64_t level);
/* hits <= of. */
void measure_share(struct measures *m, enum measure what, uint64_t hits,
                   uint64_t of);
void measure_value(struct measures *m, enum measure what, uint64_t value);
/* `at`: the age and the like, below MEASURE_CURVE_MAX; more is the last. */
#define MEASURE_CURVE_MAX 1440
void measure_curve(struct measures *m, enum measure what, uint64_t at,
                   uint64_t hits, uint64_t of);
#define MEASURE_REASONS_MAX 64 /* more is the last */
void measure_reason(struct measures *m, enum measure what, unsigned reason);

/* ---- Reading ------------------------------------------------------------- */

/* Whether anything was ever counted: what was not is not reported. */
bool measure_is_used(const struct measures *m, enum measure what);

/* One measure in one sample, or in total (`sample` MEASURE_TOTAL). */
#define MEASURE_TOTAL SIZE_MAX
struct measure_summary {
    uint64_t count; /* events, values; `of` of a SHARE and of a CURVE; samples
                       in which a LEVEL was given, in one: 1 or 0 */
    uint64_t hits;  /* of a SHARE, CURVE */
    uint64_t sum;   /* of VALUES, of the samples of a LEVEL; saturating */
    uint64_t least, most; /* of VALUES; of the samples of a LEVEL */
    /* Of VALUES: those of rank ceil(0.5 count), ceil(0.9 count) and ceil(0.99
     * count) in ascending order, exact below 64; above that, they are told by
     * their rank among the values of their bucket, as if these lay evenly in
     * it, and are off by less than a thirty-second. */
    uint64_t median, p90, p99;
};
size_t measures_samples(const struct measures *m);
/* When it ended, ns since measures_begin. */
uint64_t measures_time(const struct measures *m, size_t sample);
void measure_summarize(const struct measures *m, enum measure what,
                       size_t sample, struct measure_summary *out);

/* The distribution of all VALUES in total, by buckets whose width is at most a
 * thirty-second of their value (below 64: by values), ascending and without
 * empty ones: `value` is the largest that belongs to it, or `most`. False past
 * the last one. */
bool measure_bucket(const struct measures *m, enum measure what, size_t i,
                    uint64_t *value, uint64_t *count);
/* A CURVE at one place, or the counts of one reason in `count`. */
void measure_at(const struct measures *m, enum measure what, uint64_t at,
                uint64_t *hits, uint64_t *count);

/* `value` of this measure's unit as it is shown: seconds, bytes. */
double measure_shown(enum measure what, uint64_t value);
const char *measure_unit_name(enum measure what); /* "s", "bytes", "/s",
                                                    "bytes/s", "" */
/* Of MEASURE_REASONS, for columns and people: "no_relays". */
const char *measure_reason_name(unsigned reason);

/* Adds all that `other` counted: runs of other seeds. Samples are added one by
 * one; those that only one has stay. ERR_NO_MEMORY. */
enum error measures_add(struct measures *m, const struct measures *other);

/* ---- Saved --------------------------------------------------------------- */

/* All that was counted, as lines of text that measures_read takes elsewhere;
 * what was counted since the last sample is in the totals alone. */
void measures_write(const struct measures *m, struct text *out);
/* Takes what measures_write wrote off the front of `in`; measures_write would
 * write the same again, but nothing more can be counted. Lines of others are
 * refused: ERR_SYNTAX (`why`: which line, and what is wrong with it),
 * ERR_NO_MEMORY. */
enum error measures_read(struct bytes *in, struct measures **out,
                         struct text *why);

#endif
