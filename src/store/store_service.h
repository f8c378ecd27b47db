/* SPDX-License-Identifier: MIT
 *
 * The rows of hidden services, beside those of store.h: what a service of ours
 * needs to be found again at its old introduction points after a restart.
 * Queued, flushed and capped (max_services) like all others.
 */
#ifndef WARREN_STORE_STORE_SERVICE_H
#define WARREN_STORE_STORE_SERVICE_H

#include "base/endpoint.h"
#include "base/error.h"
#include "store/store.h"

#include <stdint.h>

#define STORE_SERVICE_SIZE  32 /* a service's name with the terminator */
#define STORE_SERVICE_SALT  16
#define STORE_VANGUARDS_MAX 16

/* An introduction point of a service of ours; service and relay are the key.
 * No secret of the service is here, but who has those needs the salt: a row
 * that was removed is overwritten in the file (secure_delete), and gone from
 * its WAL, when the flush returns OK. */
struct store_service_point {
    char service[STORE_SERVICE_SIZE]; /* 1..31 bytes */
    uint8_t relay[STORE_KEY_SIZE];
    uint8_t handshake_key[STORE_KEY_SIZE]; /* of the relay, public */
    struct endpoint endpoint;
    uint8_t salt[STORE_SERVICE_SALT];
    uint64_t since, until; /* wall seconds */
    uint64_t introductions;
    uint32_t period; /* of the topic that it is under; 0: of none */
};

/* The last seq under a blinded key; all but `seq` is the key. */
struct store_service_seq {
    char service[STORE_SERVICE_SIZE];
    uint32_t access, period;
    int64_t seq;
};

/* Relays that circuits of services are led through, as one row: of a service,
 * or of the node (service ""). */
struct store_vanguards {
    char service[STORE_SERVICE_SIZE];
    unsigned count; /* 1..STORE_VANGUARDS_MAX */
    struct {
        uint8_t relay[STORE_KEY_SIZE];
        uint64_t since, until; /* wall seconds */
    } list[STORE_VANGUARDS_MAX];
};

/* As store_put_* and store_remove_* of store.h. ERR_RANGE also: a name that is
 * too long, or empty where one is needed. */
enum error store_put_service_point(struct store *s,
                                   const struct store_service_point *point);
enum error store_put_service_seq(struct store *s,
                                 const struct store_service_seq *seq);
enum error store_put_vanguards(struct store *s,
                               const struct store_vanguards *set);
enum error store_remove_service_point(struct store *s, const char *service,
                                      const uint8_t relay[STORE_KEY_SIZE]);
/* All that is stored of a service, and what waits to be. Errors of
 * store_flush, too: the rows have to be found first. */
enum error store_forget_service(struct store *s, const char *service);
/* Seqs of periods before this one, of all services. */
enum error store_forget_seqs(struct store *s, uint32_t before);

/* Of one service; NULL: of all, which for vanguards includes the node's. */
enum error store_each_service_point(
    struct store *s, const char *service,
    void (*each)(void *ctx, const struct store_service_point *), void *ctx);
enum error store_each_service_seq(
    struct store *s, const char *service,
    void (*each)(void *ctx, const struct store_service_seq *), void *ctx);
enum error store_each_vanguards(struct store *s, const char *service,
                                void (*each)(void *ctx,
                                             const struct store_vanguards *),
                                void *ctx);

#endif
