/* SPDX-License-Identifier: MIT
 *
 * Sources with many addresses (base/source.h), and what each may do.
 */
#ifndef WARREN_TESTS_WIDE_SOURCES_H
#define WARREN_TESTS_WIDE_SOURCES_H

static const struct {
    const char *first;
    unsigned byte;  /* of the address, that is counted up */
    unsigned hosts; /* as many as it counts for */
} wide_sources[] = {
    {"[2a00:1:2:300::]:1", 7, 2}, /* a line */
    {"[2a00:1:3::]:1", 6, 4},     /* a site */
    {"[2a01:1:2::]:1", 5, 16},    /* a network */
    {"8.1.1.0:1", 3, 4},          {"8.2.0.1:1", 2, 16},
};

#endif
