/* SPDX-License-Identifier: MIT
 *
 * The resolver of `warren exec`: gives an address that stands for the name
 * (exec_names.h), and asks nobody.
 *
 *     A, AAAA     of every name that an exit or a service could be asked for
 *     PTR         of those addresses, the name; of others: none
 *     others      no records, so that programs go on to the addresses
 *
 * Names that must not reach the DNS (tunnel/exit/name.h), but for .warren and
 * localhost, do not exist.
 */
#ifndef WARREN_CLI_EXEC_EXEC_DNS_H
#define WARREN_CLI_EXEC_EXEC_DNS_H

#include "base/bytes.h"
#include "cli/exec/exec_names.h"
#include "node/dns/dns_message.h"

#include <stdbool.h>
#include <stddef.h>

/* Returns the bytes of the reply; 0: none. */
size_t exec_dns_answer(struct exec_names *names, bool ipv6, struct bytes in,
                       uint64_t now, uint8_t out[DNS_DATAGRAM_MAX]);

#endif
