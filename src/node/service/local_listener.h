/* SPDX-License-Identifier: MIT
 *
 * A local UDP socket for programs that talk to a service of others: what they
 * send to it goes to the service, and what comes from there goes to the source
 * that sent last. One program at a time, then, or programs that take answers
 * for each other: a service has no way to say for which of them an answer is.
 * For two that must not be mixed up, listen twice.
 */
#ifndef WARREN_NODE_SERVICE_LOCAL_LISTENER_H
#define WARREN_NODE_SERVICE_LOCAL_LISTENER_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/text.h"

struct event_base;
struct local_listener;

/* May free the listener. */
typedef void local_heard_fn(void *arg, struct bytes payload);

/* `where` gets the address with the port that it has. Errors of bind_socket,
 * with a sentence in `why`; ERR_FORBIDDEN: an address that others reach. */
enum error local_listener_new(struct event_base *base,
                              const struct endpoint *at, local_heard_fn *heard,
                              void *arg, struct local_listener **out,
                              struct endpoint *where, struct text *why);
void local_listener_free(struct local_listener *l);

/* OK: it was sent, or leaves at the end of this turn of the loop.
 * ERR_NOT_FOUND: nobody has sent anything yet; ERR_IO, ERR_TOO_LARGE. */
enum error local_listener_send(struct local_listener *l, struct bytes payload);

#endif
