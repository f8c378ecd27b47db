/* SPDX-License-Identifier: MIT
 *
 * What an exit needs of the system: UDP sockets for circuits, and the DNS.
 */
#ifndef WARREN_NODE_EXIT_EXIT_HOST_H
#define WARREN_NODE_EXIT_EXIT_HOST_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "node/config/config.h"
#include "node/exit/exit_names.h"
#include "node/log/log.h"
#include "tunnel/exit/exit.h"

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct exit_host;

/* Who hears; `cookie` is what the socket or the question was made with. */
struct exit_host_handler {
    void *arg;
    /* Before some of the next, with the time of all; may be NULL. */
    void (*batch_begin)(void *arg, uint64_t now);
    void (*received)(void *arg, uint32_t cookie, const struct endpoint *from,
                     struct bytes payload);
    /* After these. */
    void (*batch_end)(void *arg);
    void (*resolved)(void *arg, uint32_t cookie,
                     const struct exit_answer *answer);
};

/* ERR_NO_MEMORY. */
enum error exit_host_new(struct event_base *base,
                         const struct exit_host_handler *handler,
                         const struct config *config, struct log *log,
                         struct exit_host **out);
/* The sockets have been closed. */
void exit_host_free(struct exit_host *x);

/* Takes the name servers of `config`, or of /etc/resolv.conf as it is now,
 * and the addresses to send from: those that the node listens on, unless it
 * listens on all. */
void exit_host_configure(struct exit_host *x, const struct config *config);

/* The address of this family that it sends from, with port 0; NULL: the system
 * chooses. */
const struct endpoint *exit_host_from(const struct exit_host *x,
                                      enum family family);

/* Datagrams that waited and that the system did not take. */
uint64_t exit_host_dropped(const struct exit_host *x);

/* Why answers from the Internet did not get further than their socket. */
enum exit_lost {
    EXIT_LOST_TOO_LONG, /* than EXIT_PAYLOAD_MAX */
    EXIT_LOST_ADDRESS,  /* from where nobody can be */
    EXIT_LOST_SYSTEM,   /* they came faster than they were read */
    EXIT_LOST_REASONS
};
const char *exit_lost_name(enum exit_lost reason);
/* EXIT_LOST_REASONS of them. */
const uint64_t *exit_host_lost(const struct exit_host *x);
/* Name servers in use. */
unsigned exit_host_nameservers(const struct exit_host *x);
/* As exit_names_tick, exit_names_state. */
void exit_host_tick(struct exit_host *x, uint64_t now);
void exit_host_names(const struct exit_host *x, struct exit_names_state *out);

/* ---- The functions of struct exit_world; `ctx` is a struct exit_host ---- */

/* ERR_NO_MEMORY, ERR_IO. */
enum error exit_host_open(void *ctx, enum family family, uint32_t cookie,
                          void **handle);
/* ERR_NO_SPACE: dropped by the system; ERR_TOO_LARGE, ERR_IO. What follows
 * to the same destination may wait until the loop comes around, to leave in
 * one call; its failure is told to the one behind it. */
enum error exit_host_send(void *ctx, void *handle, const struct endpoint *to,
                          struct bytes payload);
void exit_host_close(void *ctx, void *handle);

/* ERR_NO_MEMORY, ERR_IO (no name server). */
enum error exit_host_resolve(void *ctx, const char *name, uint32_t cookie);
enum error exit_host_reverse(void *ctx, const struct endpoint *address,
                             uint32_t cookie);
void exit_host_resolve_cancel(void *ctx, uint32_t cookie);

#endif
