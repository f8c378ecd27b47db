/* SPDX-License-Identifier: MIT
 *
 * The addresses of names and the names of addresses, from the DNS and nothing
 * else: names are absolute, neither search domains nor the hosts file are
 * looked at.
 */
#ifndef WARREN_NODE_EXIT_EXIT_NAMES_H
#define WARREN_NODE_EXIT_EXIT_NAMES_H

#include "base/endpoint.h"
#include "base/error.h"
#include "node/config/config.h"
#include "node/log/log.h"
#include "tunnel/exit/exit.h"

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct exit_names;

struct exit_names_handler {
    void *arg;
    /* As in struct exit_host_handler. */
    void (*resolved)(void *arg, uint32_t cookie,
                     const struct exit_answer *answer);
};

/* Knows no server until it is configured. NULL when memory is out. */
struct exit_names *exit_names_new(struct event_base *base,
                                  const struct exit_names_handler *handler,
                                  struct log *log);
/* What is still asked is answered to nobody. */
void exit_names_free(struct exit_names *n);

/* Takes these servers, or without any those of /etc/resolv.conf, for
 * addresses of these families. Questions that are open are asked again. */
void exit_names_configure(struct exit_names *n,
                          const struct config_endpoints *servers,
                          const bool families[FAMILIES]);
unsigned exit_names_servers(const struct exit_names *n);

/* How the servers are doing, by the last questions that were asked. */
struct exit_names_state {
    bool assumed; /* none is configured, so it may be on this machine */
    bool failing; /* none has answered for a while: */
    uint64_t since;
    const char *why; /* "no name server answers"; if `assumed`, that none is
                      * named, or can be asked */
};

/* To be called every few seconds: who has not been asked anything for long is
 * asked for a name that does not exist, so that a dead server is known before
 * somebody needs it. */
void exit_names_tick(struct exit_names *n, uint64_t now);
void exit_names_state(const struct exit_names *n, struct exit_names_state *out);

/* ERR_IO: there is no server. ERR_NO_MEMORY. */
enum error exit_names_ask(struct exit_names *n, const char *name,
                          uint32_t cookie);
/* Likewise for the name of an address. */
enum error exit_names_ask_reverse(struct exit_names *n,
                                  const struct endpoint *address,
                                  uint32_t cookie);
void exit_names_cancel(struct exit_names *n, uint32_t cookie);

#endif
