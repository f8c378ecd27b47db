/* SPDX-License-Identifier: MIT
 *
 * The record of a walk, from which it goes on after a kill: a text file to
 * which a line is added for each thing that happens, before its consequences.
 * The command line keeps it, not the node, which serves many and is not to grow
 * with what one client wants to know. A last line without an end is passed
 * over.
 *
 *     warren crawl 1 NETWORK TESTING SEED       of the DHT of that network, or
 *     warren mainline crawl 1 TESTING SEED      of the mainline DHT
 *     k ID|- ADDRESS                       known from the beginning
 *     q MS ADDRESS                         asked, so long after the beginning
 *     a MS ADDRESS ID RTT_US VERSION|- ID@ADDRESS...    it names these
 *     f MS ADDRESS CODE                    no answer, and why
 *     e MS                                 nobody is left to ask
 *
 * Ids and versions are hex; SEED makes the random numbers, so that the probes
 * are the same ones.
 */
#ifndef WARREN_CLI_CRAWL_CRAWL_RECORD_H
#define WARREN_CLI_CRAWL_CRAWL_RECORD_H

#include "base/random_source.h"
#include "base/text.h"
#include "dht/crawl/crawl.h"

#include <stdio.h>

#define CRAWL_SEED_BYTES 32
#define CRAWL_PATH_SIZE  1100

struct crawl_record {
    FILE *file; /* locked, for adding; NULL: none is kept any more */
    char path[CRAWL_PATH_SIZE];
    bool mainline;    /* of the mainline DHT, and not of */
    char network[64]; /* this one; with `mainline` the node's */
    bool testing;
    uint8_t seed[CRAWL_SEED_BYTES];
    uint64_t drawn; /* from the seed */
};

/* Random bytes that follow from the seed and from how many were drawn. */
struct random_source crawl_record_random(struct crawl_record *s);

/* A new record at s->path, for the network in `s`, with a seed of its own; one
 * that is there is kept as PATH.old. ERR_IN_USE: another walk has it; ERR_IO.
 * `why` gets a sentence. */
enum error crawl_record_new(struct crawl_record *s, struct text *why);

/* Opens the one at s->path and reads its head, for crawl_record_replay. Errors
 * as above; ERR_NOT_FOUND; ERR_SYNTAX: it is no record. */
enum error crawl_record_open(struct crawl_record *s, struct text *why);
/* Tells a fresh walk what it says; `last` gets the time of its last line in ns.
 * ERR_SYNTAX, ERR_IO. */
enum error crawl_record_replay(struct crawl_record *s, struct crawl *c,
                               uint64_t *last, struct text *why);

void crawl_record_close(struct crawl_record *s);

/* Whom an answer names, while it is put together. */
struct crawl_named {
    uint8_t bytes[FAMILIES][DHT_NODES_MAX * COMPACT_NODE6];
};

/* One more, into `names` and the views of `a`; what is too much is left out. */
void crawl_record_name(struct dht_answer *a, struct crawl_named *names,
                       const struct id *id, const struct endpoint *ep);

/* By its name, as it is in records and answers; ERR_IO: none of that name. */
enum error crawl_record_error(struct bytes code);

/* Each adds a line. What cannot be written is said on stderr, once, and from
 * then on nothing is. `now` in ns from the beginning. */
void crawl_record_known(struct crawl_record *s, const struct id *id,
                        const struct endpoint *ep);
void crawl_record_asked(struct crawl_record *s, uint64_t now,
                        const struct endpoint *ep);
void crawl_record_answered(struct crawl_record *s, uint64_t now,
                           const struct dht_answer *answer);
void crawl_record_failed(struct crawl_record *s, uint64_t now,
                         const struct endpoint *ep, enum error why);
void crawl_record_ended(struct crawl_record *s, uint64_t now);

#endif
