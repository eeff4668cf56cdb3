/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_ascii: classes of ASCII characters.
 *
 * isspace(), toupper() and strcasecmp() of the C library, and APR's names for
 * them, depend on the locale, which a page may set for the whole process at any
 * time: in tr_TR, "I" is not the upper case of "i". These functions do not
 * depend on it. Bytes above 0x7f are in no class. Every function: Signal-safe:
 * yes. Thread: any.
 */
#ifndef LPP_ASCII_H
#define LPP_ASCII_H

static inline int lpp_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline int lpp_is_alnum(char c)
{
    return lpp_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* As isspace() has it: with the vertical tab, which HTML does not count. */
static inline int lpp_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline int lpp_is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static inline char lpp_to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline char lpp_to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* The value of a hexadecimal digit of either case; -1: not one. */
static inline int lpp_hex_value(char c)
{
    return lpp_is_digit(c) ? c - '0'
           : lpp_to_lower(c) >= 'a' && lpp_to_lower(c) <= 'f'
               ? lpp_to_lower(c) - 'a' + 10 : -1;
}

/* Remove the white space at both ends of text (not NULL), in place; returns the
 * start of what is left. */
char *lpp_trim(char *text);

#endif
