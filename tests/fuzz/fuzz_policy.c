/* SPDX-License-Identifier: MIT
 *
 * Exit policies and what destinations are called: lines as an operator writes
 * them, their summary as a client reads it, summaries that others have written,
 * names. A line that is read can be printed and reads as the same; what a
 * summary says is what the lines do.
 */
#include "fuzz.h"

#include "tunnel/exit/host_port.h"
#include "tunnel/exit/policy.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void check_line(const struct policy_line *line)
{
    char text[POLICY_LINE_SIZE], why[POLICY_ERROR_SIZE];
    struct policy_line again;

    assert(line->first >= 1 && line->first <= line->last);
    assert(line->any || line->bits <= 8 * endpoint_addr_len(&line->net));
    policy_print_line(line, text);
    assert(strlen(text) < sizeof(text));
    assert(policy_parse_line(bytes_of_text(text), &again, why) == OK);
    assert(again.accept == line->accept && again.any == line->any);
    assert(again.first == line->first && again.last == line->last);
    assert(line->any || (again.bits == line->bits &&
                         endpoint_same_addr(&again.net, &line->net)));
}

static bool has_line_within(const struct policy *p, unsigned bits)
{
    bool found = false;

    for (size_t i = 0; i < p->count; i++)
        found |= p->lines[i].accept && !p->lines[i].any &&
                 p->lines[i].bits >= bits;
    return found;
}

/* What is never sent to, whatever the lines are. */
static void check_rules(struct policy *p, const struct policy_line *line)
{
    struct endpoint to = line->net;
    struct policy_network near;
    enum policy_verdict v;

    to.port = line->first;
    v = policy_check(p, &to);
    if (v == POLICY_ACCEPTED)
        assert(endpoint_is_usable(&to) && endpoint_is_global(&to) &&
               !policy_is_own(p, &to));
    assert(policy_verdict_name(v) != NULL);
    /* Nor into a network that this machine is in, but by a line of its own. */
    near = policy_network_of(&to, to.family == FAMILY_IPV4 ? 24 : 56);
    assert(policy_set_networks(p, &near, 1) == OK);
    assert(policy_is_near(p, &to));
    if (policy_check(p, &to) == POLICY_ACCEPTED)
        assert(has_line_within(p, near.bits));
    assert(policy_set_networks(p, NULL, 0) == OK);
    assert(policy_set_own(p, &to, 1) == OK);
    if (!endpoint_is_loopback(&to))
        assert(policy_check(p, &to) != POLICY_ACCEPTED);
}

/* Whether lines about all addresses alone send to a port of some address. */
static bool sends_to(const struct policy *p, uint16_t port)
{
    const struct endpoint to[] = {
        {.addr = {8, 8, 8, 8}, .port = port},
        {.addr = {0x2a, 1}, .port = port, .family = FAMILY_IPV6}};
    struct policy general;

    policy_init(&general, p->accept_rest, false);
    for (size_t i = 0; i < p->count; i++) {
        if (p->lines[i].any || p->lines[i].bits == 0)
            general.lines[general.count++] = p->lines[i];
    }
    return policy_check(&general, &to[0]) == POLICY_ACCEPTED ||
           policy_check(&general, &to[1]) == POLICY_ACCEPTED;
}

/* It may say less than the lines do where it has no room, never more. */
static void check_summary(const struct policy *p)
{
    char text[POLICY_SUMMARY_SIZE];
    struct bytes summary = bytes_of_text(policy_summary(p, text, sizeof(text)));
    bool whole = summary.len + sizeof(",65535-65535") < sizeof(text);

    for (size_t i = 0; i <= 2 * p->count; i++) {
        const struct policy_line *line = &p->lines[i / 2];
        unsigned port = i == 2 * p->count ? 1
                        : i % 2 == 0      ? line->first
                                          : line->last + 1u;
        bool says = policy_summary_accepts(summary, (uint16_t)port);

        if (port > UINT16_MAX)
            continue;
        assert(!says || sends_to(p, (uint16_t)port));
        assert(says || !whole || !sends_to(p, (uint16_t)port));
        assert(!says || policy_summary_accepts_any(summary));
    }
}

static void read_lines(struct bytes in, bool accept_rest)
{
    struct policy_line lines[POLICY_LINES_MAX];
    char why[POLICY_ERROR_SIZE];
    struct policy p;
    size_t count = 0;

    while (in.len > 0 && count < POLICY_LINES_MAX) {
        const uint8_t *end = memchr(in.p, '\n', in.len);
        size_t len = end == NULL ? in.len : (size_t)(end - in.p);

        if (policy_parse_line(bytes_of(in.p, len), &lines[count], why) == OK)
            check_line(&lines[count++]);
        else
            assert(strlen(why) > 0);
        len += end != NULL;
        in = bytes_of(in.p + len, in.len - len);
    }
    policy_init(&p, accept_rest, false);
    policy_set_lines(&p, lines, count);
    check_summary(&p);
    for (size_t i = 0; i < count; i++)
        check_rules(&p, &lines[i]);
}

static void read_summary(struct bytes summary)
{
    bool any = policy_summary_accepts_any(summary), found = false;

    for (unsigned port = 1; port <= UINT16_MAX; port += port < 1024 ? 1 : 991)
        found |= policy_summary_accepts(summary, (uint16_t)port);
    assert(any || !found);
}

static void read_name(struct bytes text)
{
    struct host_port d;

    if (host_port_parse(text, &d) != OK)
        return;
    assert(d.ep.port != 0);
    if (d.name.len == 0)
        assert(endpoint_is_usable(&d.ep));
    else
        assert(strlen(d.name.text) == d.name.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest;

    if (size == 0)
        return 0;
    rest = bytes_of(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
    case 1:
        read_lines(rest, data[0] & 1);
        break;
    case 2:
        read_summary(rest);
        break;
    default:
        read_name(rest);
        break;
    }
    return 0;
}
