/* SPDX-License-Identifier: MIT
 *
 * How a question to the DNS has ended (evdns), and how that is said. Whoever
 * asks has its servers time out after DNS_TIMEOUT_S: by that a SERVFAIL is told
 * from silence.
 */
#ifndef WARREN_NODE_NET_DNS_RESULT_H
#define WARREN_NODE_NET_DNS_RESULT_H

#include <stdint.h>

struct evdns_base;

#define DNS_TIMEOUT_S 2 /* what one silent server costs at least */

/* Sets that time-out. */
void dns_set_timeout(struct evdns_base *dns);

/* DNS_ERR_... of evdns, which calls a SERVFAIL a time-out; `took` ns. */
int dns_result_of(int result, uint64_t took);

/* Of one that is not DNS_ERR_NONE: "no name server answers". */
const char *dns_result_text(int result);

#endif
