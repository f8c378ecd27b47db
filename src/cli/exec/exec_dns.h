/* SPDX-License-Identifier: MIT
 *
 * The resolver of `warren exec`: gives an address that stands for the name
 * (exec_names.h), and asks nobody.
 *
 *     A, AAAA     of every name that an exit or a service could be asked for;
 *                 of localhost and the machine's own: loopback
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

struct exec_dns {
    struct exec_names *names;
    const char *own; /* name of the machine, which exits are not to hear */
    bool ipv6;       /* the program has it */
};

/* Returns the bytes of the reply; 0: none. */
size_t exec_dns_answer(const struct exec_dns *d, struct bytes in, uint64_t now,
                       uint8_t out[DNS_DATAGRAM_MAX]);

#endif
