/* SPDX-License-Identifier: MIT
 *
 * Hidden services: a program finds, and is found by, everybody who registers
 * the same string, or is what an address leads to, or reaches who is. All go
 * through relays that know neither side, and no exit takes part. Part of
 * warren.h, which includes it.
 *
 *     warren_register_service(w, "my service identifier", 1, &options, NULL);
 *     ... options.on_peer is called for each that is found ...
 *     warren_tunnel_data(w, 0, peer->destination, "data", "hello", 5);
 *     ... options.on_data is called with what they say ...
 *
 * What an identifier is:
 *
 *   <56 characters>.warren     with its key in the data directory: this node is
 *                              the service of that address; without: this node
 *                              is a client, and the service its only peer
 *   any other string           1 to 255 bytes: all that register it are peers
 *                              of each other; whoever can guess it is, too
 *
 * A peer is whoever is at the other end. It outlives circuits: when relays go
 * or are renewed it stays, and on_peer is called once for each. Datagrams are
 * as with UDP, of up to 9,600 bytes, each with a port that says what it is for;
 * no port stands for "port 0".
 *
 * Registrations and the sections [service NAME] of `config_file` live together:
 * one that registers what a section runs already hears of it, too, and the
 * section's hops, max_peers and access count. A string that stands in no
 * section has a new key with each registration.
 */
#ifndef WARREN_SERVICE_H
#define WARREN_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct warren;

#define WARREN_ADDRESS_SIZE 64 /* "<56>.warren" with the terminator */
#define WARREN_PEER_SIZE    40 /* "p17.peer.warren", likewise */
#define WARREN_ACCESS_BYTES 32

/* May be copied, but for `key`. */
struct warren_peer {
    uint64_t id; /* never used again while the node lives */
    /* For warren_tunnel_data, as it is or with ":PORT" behind. */
    char destination[WARREN_PEER_SIZE];
    uint32_t service; /* of warren_register_service */
    /* 32 bytes, by which it is known again: a member's of a string, or the
     * service's. NULL: a client of a service with a key is nobody. Valid during
     * the call. */
    const uint8_t *key;
    int opened; /* 1: by this side */
};

/* How a registration stands. */
struct warren_service_state {
    uint32_t service;
    int published;   /* others can find it: it is in the DHT, */
    int verified;    /* and was found there, by another way. Of own keys */
    unsigned points; /* relays that introduce others to it */
    unsigned peers;
    /* Why nothing comes: "starting", "no_path", "not_found", ...; "fine". The
     * text is for people. */
    struct warren_reason why;
};

/* All may be zero. `arg` comes with each callback. */
struct warren_service_options {
    void *arg;
    void (*on_peer)(void *arg, const struct warren_peer *peer);
    void (*on_data)(void *arg, const struct warren_peer *peer, uint16_t port,
                    const void *payload, size_t len);
    /* It has left, or nothing was heard of it for too long. */
    void (*on_gone)(void *arg, const struct warren_peer *peer,
                    const struct warren_reason *why);
    /* First, and then whenever `why` is another one. */
    void (*on_state)(void *arg, const struct warren_service_state *state);
    /* Others are refused; 0: 32. All services together have
     * services.max_peers. */
    unsigned max_peers;
    /* Of an address: WARREN_ACCESS_BYTES of secret. To serve: only who has it
     * finds the service. To reach: what its owner has given. NULL: none. */
    const uint8_t *access;
};

/* Makes the key of a service, in the data directory (services/, mode 0600):
 * whoever has that file is the service. `address` gets "<56
 * characters>.warren", to be registered now and at each start, and given to
 * those who are to reach it. WARREN_ERR_FAILED (cannot be written; `log` has
 * the reason), WARREN_ERR_NO_MEMORY. */
WARREN_API int warren_new_service(struct warren *w,
                                  char address[WARREN_ADDRESS_SIZE]);

/* Goes on until it is unregistered. `hops` is 1 to 3; fewer than 3 hide less.
 * 4 is refused: a circuit has four hops, and the last one of a circuit between
 * two sides is a relay that the other side has chosen. `options` may be NULL.
 * `service`, which may be NULL too, gets a number that is never 0 nor used
 * again.
 *
 * Again is no error: it gives the same number, and the callbacks and `arg` are
 * the new ones; peers that are there are not told again, and the rest stays as
 * it was. An address that is reached is connected to again, unless it is; so is
 * one that data is sent to. It is not tried for ever: on_state says when it was
 * given up, and why.
 *
 * WARREN_ERR_ARGUMENT (hops; an empty or too long string; one that ends in
 * ".warren" and is no address of this network: `log` has the reason),
 * WARREN_ERR_FULL (services.max_services), WARREN_ERR_NO_MEMORY,
 * WARREN_ERR_FAILED (the key file; `log` has the reason),
 * WARREN_ERR_CANCELLED (in warren_free). */
WARREN_API int
warren_register_service(struct warren *w, const char *identifier, unsigned hops,
                        const struct warren_service_options *options,
                        uint32_t *service);

/* How it stands now: what on_state is given, which is not called for each of
 * its numbers. WARREN_ERR_NOT_FOUND. */
WARREN_API int warren_service_state(const struct warren *w, uint32_t service,
                                    struct warren_service_state *state);

/* Its callbacks are not called any more, not even for what has happened
 * already, and its peers are gone, unless a section keeps it running. Others
 * find it no more within some hours. WARREN_ERR_NOT_FOUND. */
WARREN_API int warren_unregister_service(struct warren *w, uint32_t service);

/* Ends it; on_gone is called. WARREN_ERR_NOT_FOUND. */
WARREN_API int warren_close_peer(struct warren *w, uint64_t peer);

/* warren_tunnel_data takes these destinations, too; its circuit is ignored
 * then, and may be 0:
 *
 *   "p17.peer.warren", "p17.peer.warren:53"   that peer, while it is there:
 *       WARREN_ERR_NOT_FOUND once it is gone, WARREN_ERR_FULL while its circuit
 *       is being replaced and too much waits (64 datagrams, 64 KiB)
 *   "<56 characters>.warren:53"               the service of that address,
 *       which is connected to first, in three hops unless it is registered
 *       otherwise; up to 32 datagrams wait for that, 15 seconds at most:
 *       WARREN_ERR_FULL. Answers come to who has registered the address.
 *       WARREN_ERR_ARGUMENT: no address, or one of another network
 *
 * WARREN_ERR_TOO_LARGE, WARREN_ERR_NO_MEMORY; WARREN_ERR_CANCELLED in
 * warren_free. */

#ifdef __cplusplus
}
#endif
#endif
