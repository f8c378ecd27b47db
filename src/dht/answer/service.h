/* SPDX-License-Identifier: MIT
 *
 * What we do for others: answers to their queries (BEP 5, 32, 42, 44, 51) from
 * our table and our stores, and what guards these.
 */
#ifndef WARREN_DHT_ANSWER_SERVICE_H
#define WARREN_DHT_ANSWER_SERVICE_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/limiter.h"
#include "dht/storage/item_store.h"
#include "dht/storage/peer_store.h"
#include "dht/types/token.h"
#include "wire/krpc/dht_message.h"

#include <stddef.h>
#include <stdint.h>

struct contacts;
struct dht_world;

/* The info-hashes that whoever asks is told (BEP 51). */
struct sample_set {
    uint8_t *hashes; /* owned, DHT_SAMPLES_MAX; NULL: nobody has asked yet */
    uint64_t until;  /* then another set is drawn */
    uint8_t count;
};

struct dht_service {
    struct dht_world *w;
    struct contacts *contacts;
    uint64_t next_at;       /* not before this does anything expire */
    struct limiter limiter; /* of all, */
    struct limiter known;   /* and of the known, when that has refused them */
    struct token_keys tokens;
    struct store_home home; /* of both stores */
    struct peer_store peers;
    struct item_store items;
    struct sample_set samples;
    struct token_bucket scrapes;      /* filters made; see answer_samples.c */
    struct token_bucket long_answers; /* see answer.c */
};

/* Both are to outlive it; limits come from the world's configuration. */
void service_init(struct dht_service *s, struct dht_world *w,
                  struct contacts *contacts);
void service_deinit(struct dht_service *s);
/* The configuration has changed. */
void service_configure(struct dht_service *s);
/* How busy the process is, of LIMITER_LOAD_MAX (limiter_load). */
void service_set_load(struct dht_service *s, unsigned load);
/* One of the stores has something that it had not. */
void service_stored(struct dht_service *s);
/* Forgets what has expired. */
void service_tick(struct dht_service *s);
uint64_t service_next_deadline(const struct dht_service *s);

/* Acts upon a query of `query_len` bytes; the reason when it does not. */
enum error service_answer(struct dht_service *s, const struct endpoint *from,
                          const struct dht_message *m, size_t query_len);

/* A message of `len` bytes could not be read, for the reason `why`: if it was a
 * query, says so with an error. Of `m` there is only what dht_message_read
 * leaves in it then; whether it was a message of our network the caller has
 * seen to. */
void service_refuse(struct dht_service *s, const struct endpoint *from,
                    const struct dht_message *m, size_t len, enum error why);

#endif
