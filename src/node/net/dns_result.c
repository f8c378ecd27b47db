/* SPDX-License-Identifier: MIT
 *
 * After a SERVFAIL evdns asks again, and in the end says that time was up. It
 * says so earlier than one time-out takes, which silence cannot.
 */
#include "node/net/dns_result.h"

#include "base/timestamp.h"

#include <event2/dns.h>

#include <stdio.h>

void dns_set_timeout(struct evdns_base *dns)
{
    char seconds[16];

    snprintf(seconds, sizeof(seconds), "%d", DNS_TIMEOUT_S);
    evdns_base_set_option(dns, "timeout", seconds);
}

int dns_result_of(int result, uint64_t took)
{
    return result == DNS_ERR_TIMEOUT && took < DNS_TIMEOUT_S * TIME_S
               ? DNS_ERR_SERVERFAILED
               : result;
}

const char *dns_result_text(int result)
{
    switch (result) {
    case DNS_ERR_NOTEXIST:
        return "there is no such name";
    case DNS_ERR_NODATA:
        return "the name has no address";
    case DNS_ERR_TIMEOUT:
        return "no name server answers";
    case DNS_ERR_SERVERFAILED:
        return "the name servers say that they failed (SERVFAIL)";
    case DNS_ERR_REFUSED:
        return "the name servers refuse to answer";
    }
    return "the name servers' answers are of no use";
}
