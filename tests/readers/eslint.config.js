/* SPDX-License-Identifier: Apache-2.0 */
/* How eslint checks report/assets; NODE_PATH says where eslint lies. */
'use strict';

const js = require('@eslint/js');

const browser = { document: 'readonly', lppFlame: 'readonly' };

module.exports = [
    js.configs.recommended,
    {
        files: ['mod_lpprofile/report/assets/*.js'],
        /* No template literals: embed.awk takes the indentation away. */
        languageOptions: { ecmaVersion: 5, sourceType: 'script',
                           globals: browser },
        rules: {
            'no-multi-str': 'error',
            'eqeqeq': 'error',
            'no-shadow': 'error',
            'no-use-before-define': 'error',
            'strict': ['error', 'function'],
            'max-len': ['error', 80],
            'indent': 'off'
        }
    },
    {
        files: ['mod_lpprofile/report/assets/*_model.js'],
        languageOptions: { globals: { document: 'off', lppFlame: 'off' } },
        rules: { 'no-unused-vars': ['error', { varsIgnorePattern: '^lpp' }] }
    }
];
