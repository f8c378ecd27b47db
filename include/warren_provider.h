/* SPDX-License-Identifier: MIT
 *
 * A DHT of the program's, for the tunnels of its node to find relays through.
 * Part of warren.h, which includes it.
 */
#ifndef WARREN_PROVIDER_H
#define WARREN_PROVIDER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A mutable item of BEP 44. `value` is opaque: at most 1031 bytes, to be given
 * back as they are. The library signs and checks. */
struct warren_dht_item {
    uint8_t key[32]; /* Ed25519 */
    const void *salt;
    size_t salt_len; /* at most 64 */
    int64_t seq;
    uint8_t signature[64];
    const void *value;
    size_t value_len;
};

/* Who hears the answers to one request of the library; `ctx` and `cookie` are
 * to be passed on as they are. The table itself is to be copied. `peer` and
 * `item` are never NULL. */
struct warren_dht_listener {
    void *ctx;
    uint64_t cookie;
    void (*peer)(void *ctx, uint64_t cookie, const struct sockaddr *peer);
    /* One of the right key and salt; with several, also older ones: what does
     * not verify is ignored. */
    void (*item)(void *ctx, uint64_t cookie,
                 const struct warren_dht_item *item);
    /* WARREN_OK also when nothing was found. */
    void (*done)(void *ctx, uint64_t cookie, int error);
};

/* The program's side: all functions but `put_once` are required. Those that can
 * fail return an enum warren_error and then call nothing. A request that was
 * taken ends with exactly one call of `done`, or with `cancel`, after which
 * nothing of it is to be called; calls may come from within the function or
 * later, but from the thread of the loop. `request` gets its number for
 * `cancel`, never 0. BEP 5 and BEP 44 tell the rest. The built-in DHT still
 * serves others. */
struct warren_dht_provider {
    void *ctx;
    /* Announces this node, with the port that it sends from, and keeps it
     * announced until withdrawn. Again is no error. */
    int (*announce)(void *ctx, const uint8_t hash[20]);
    void (*withdraw)(void *ctx, const uint8_t hash[20]);
    int (*get_peers)(void *ctx, const uint8_t hash[20],
                     const struct warren_dht_listener *listener,
                     uint64_t *request);
    /* Publishes it until another with its key and salt takes its place. */
    int (*put)(void *ctx, const struct warren_dht_item *item);
    int (*get_item)(void *ctx, const uint8_t key[32], const void *salt,
                    size_t salt_len, const struct warren_dht_listener *listener,
                    uint64_t *request);
    void (*cancel)(void *ctx, uint64_t request);
    /* Publishes it once and does not repeat that: for clients of this node's
     * relay. The listener hears of the end alone, WARREN_OK when somebody has
     * stored it. NULL: what they publish is refused. */
    int (*put_once)(void *ctx, const struct warren_dht_item *item,
                    const struct warren_dht_listener *listener,
                    uint64_t *request);
    /* Not 0 when nobody in this DHT can tell who asks, or link two questions:
     * then services may look up and publish here; else they do so through
     * circuits. */
    int anonymous;
};

#ifdef __cplusplus
}
#endif
#endif
