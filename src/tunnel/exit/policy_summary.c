/* SPDX-License-Identifier: MIT
 *
 * Ports are walked from one change to the next, of which a policy has at most
 * two a line. Only lines about all addresses count: the others may go either
 * way for a client that has not said where to.
 */
#include "tunnel/exit/policy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Whether the lines that are about every address of a family send to a port
 * of it. */
static bool accepts_in(const struct policy *p, enum family family,
                       unsigned port)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct policy_line *line = &p->lines[i];

        if (port >= line->first && port <= line->last &&
            (line->any || (line->bits == 0 && line->net.family == family)))
            return line->accept;
    }
    return p->accept_rest;
}

static bool accepts(const struct policy *p, unsigned port)
{
    return accepts_in(p, FAMILY_IPV4, port) || accepts_in(p, FAMILY_IPV6, port);
}

/* The first port above `port` at which the answer can differ. */
static unsigned next_change(const struct policy *p, unsigned port)
{
    unsigned next = UINT16_MAX + 1;

    for (size_t i = 0; i < p->count; i++) {
        unsigned first = p->lines[i].first;
        unsigned after = p->lines[i].last + 1u;

        if (first > port && first < next)
            next = first;
        if (after > port && after < next)
            next = after;
    }
    return next;
}

/* The end of the longest range that begins at `port` and is answered alike. */
static unsigned range_end(const struct policy *p, unsigned port)
{
    unsigned next = next_change(p, port);

    while (next <= UINT16_MAX && accepts(p, next) == accepts(p, port))
        next = next_change(p, next);
    return next - 1;
}

/* The ports that are answered by `want`, as a list. False when not all of
 * them fit; the list is whole up to there then. */
static bool list_ports(const struct policy *p, bool want, char *text,
                       size_t size)
{
    int len = snprintf(text, size, want ? "accept" : "reject");
    unsigned last;

    for (unsigned port = 1; port <= UINT16_MAX; port = last + 1) {
        char item[16];
        int n;

        last = range_end(p, port);
        if (accepts(p, port) != want)
            continue;
        if (port == last)
            n = snprintf(item, sizeof(item), "%u", port);
        else
            n = snprintf(item, sizeof(item), "%u-%u", port, last);
        if ((size_t)len + 1 + (size_t)n >= size)
            return false;
        text[len] = len == 6 ? ' ' : ',';
        memcpy(text + len + 1, item, (size_t)n + 1);
        len += 1 + n;
    }
    return true;
}

/* The shorter of both forms. What does not fit is left away from the list of
 * accepted ports, never from that of rejected ones: the exit then says less
 * than it does, not more. */
const char *policy_summary(const struct policy *p, char *text, size_t size)
{
    char rejects[POLICY_SUMMARY_SIZE];
    bool accept_fits = list_ports(p, true, text, size);
    bool reject_fits = list_ports(p, false, rejects, size);

    assert(size > strlen("accept") && size <= sizeof(rejects));
    if (reject_fits && (!accept_fits || strlen(rejects) < strlen(text)))
        memcpy(text, rejects, strlen(rejects) + 1);
    return text;
}

/* Reads "80" or "80-90" and the comma behind it; false at anything else. */
static bool next_range(struct bytes *rest, unsigned *first, unsigned *last)
{
    unsigned value[2] = {0, 0};
    unsigned n = 0;
    size_t i;

    for (i = 0; i < rest->len && rest->p[i] != ','; i++) {
        if (rest->p[i] == '-' && n == 0) {
            n = 1;
            continue;
        }
        if (rest->p[i] < '0' || rest->p[i] > '9' || value[n] > UINT16_MAX)
            return false;
        value[n] = 10 * value[n] + (unsigned)(rest->p[i] - '0');
    }
    if (i < rest->len)
        i++;
    *rest = bytes_of(rest->p + i, rest->len - i);
    *first = value[0];
    *last = value[n];
    return *first > 0 && *last >= *first && *last <= UINT16_MAX;
}

/* "accept" or "reject", and the ranges behind it; false at anything else. */
static bool read_verb(struct bytes summary, bool *accept, struct bytes *ranges)
{
    if (summary.len < 6 || summary.len >= POLICY_SUMMARY_SIZE)
        return false;
    *accept = memcmp(summary.p, "accept", 6) == 0;
    if (!*accept && memcmp(summary.p, "reject", 6) != 0)
        return false;
    if (summary.len > 6 && summary.p[6] != ' ')
        return false;
    *ranges = summary.len > 7 ? bytes_of(summary.p + 7, summary.len - 7)
                              : bytes_of(NULL, 0);
    return true;
}

bool policy_summary_accepts(struct bytes summary, uint16_t port)
{
    bool accept, found = false;
    struct bytes rest;

    if (port == 0 || !read_verb(summary, &accept, &rest))
        return false;
    while (rest.len > 0) {
        unsigned first, last;

        if (!next_range(&rest, &first, &last))
            return false;
        found = found || (port >= first && port <= last);
    }
    return found == accept;
}

/* If any port is, then one of those at which the answer can change. */
bool policy_summary_accepts_any(struct bytes summary)
{
    struct bytes rest;
    unsigned first, last;
    bool accept;

    if (!read_verb(summary, &accept, &rest))
        return false;
    if (policy_summary_accepts(summary, 1))
        return true;
    while (rest.len > 0 && next_range(&rest, &first, &last))
        if (policy_summary_accepts(summary, (uint16_t)first) ||
            policy_summary_accepts(summary, (uint16_t)(last + 1)))
            return true;
    return false;
}
