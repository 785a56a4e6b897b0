"""The writes about what a patient may follow."""
