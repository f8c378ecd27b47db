/* SPDX-License-Identifier: MIT
 *
 * Log lines with a level and a time, as text or JSON, to stderr or to a
 * function. Lines of one kind (of one format string) that come faster than
 * the rate are counted and not written. Several nodes in one process have a
 * log each: nothing here is global. Under journald a line to stderr begins with
 * its level as syslog numbers it, "<4>", which journald takes off.
 *
 *     2024-05-01T12:00:00.123Z warn  cannot send: network is unreachable
 *     {"time":"2024-05-01T12:00:00.123Z","level":"warn","message":"..."}
 */
#ifndef WARREN_NODE_LOG_LOG_H
#define WARREN_NODE_LOG_LOG_H

#include "base/endpoint.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
    LEVEL_ERROR, /* does not work; somebody must do something */
    LEVEL_WARN,  /* works less well than it could */
    LEVEL_INFO,  /* what an operator wants to know, a few lines an hour */
    LEVEL_DEBUG
};
enum log_format { LOG_TEXT, LOG_JSON };

#define LOG_LINE_MAX 1024 /* longer messages are cut */
#define LOG_KINDS    64   /* kinds whose rate is remembered; oldest goes */

struct log_config {
    enum log_level level;
    enum log_format format;
    bool addresses; /* others' addresses are written in full */
    uint32_t rate;  /* lines a minute of one kind; 0 is unlimited */
};

/* Takes one line, without newline, valid until it returns. */
typedef void log_write_fn(void *arg, enum log_level level, const char *line);

struct log;

/* `write` NULL: to stderr. NULL when memory is out. All functions below do
 * nothing when `log` is NULL. */
struct log *log_new(const struct log_config *config, log_write_fn *write,
                    void *arg);
void log_free(struct log *log);

/* New settings from the next line on. */
void log_configure(struct log *log, const struct log_config *config);

bool log_wants(const struct log *log, enum log_level level);

/* `format` must be a string literal: its address is the kind. */
void log_line(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(log, ...) log_line(log, LEVEL_ERROR, __VA_ARGS__)
#define log_warn(log, ...)  log_line(log, LEVEL_WARN, __VA_ARGS__)
#define log_info(log, ...)  log_line(log, LEVEL_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_line(log, LEVEL_DEBUG, __VA_ARGS__)

/* The same with the time passed in: `now` for the rate, `wall_ms` to print. */
void log_line_at(struct log *log, uint64_t now, uint64_t wall_ms,
                 enum log_level level, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));

/* Lines that were counted instead of written, since the log exists. */
uint64_t log_suppressed(const struct log *log);

/* Lines that did not fit stderr, whose reader sleeps or is gone: writing never
 * waits. The next line that goes out says how many they were. */
uint64_t log_lost(const struct log *log);

/* Somebody else's endpoint: in full, or "1.2.x.x:port" and
 * "[2001:db8:x]:port" unless addresses are wanted. Loopback and private
 * addresses tell nothing and stay. Returns `text`. */
const char *log_endpoint(const struct log *log, const struct endpoint *ep,
                         char text[ENDPOINT_TEXT_SIZE]);

#endif
